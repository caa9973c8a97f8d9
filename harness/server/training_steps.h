// What the servers of trainings' steps have in common, of a task (step_server.h) or a text
// (text_step_server.h).
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "harness/files/safetensors.h"
#include "harness/models/sequence_model.h"
#include "harness/server/protocol.h"

namespace seqbench {

/// What the id of a step and its row of steps.csv tell of it.
struct StepDescription {
  std::string task;  // or the preset of a text
  std::string model, variant;
  Index batch = 0, length = 0;
  ModelForm form;
  Index threads = 1;

  /// "mqar:lstm:seqbench:B64:T256:D64:t1".
  std::string id() const;
  /// The cells of steps.csv but for the parameters.
  nlohmann::ordered_json cells() const;
};

/// "file" of a request to prepare. Throws std::invalid_argument.
std::string training_file_of(const nlohmann::ordered_json& request);

/// The answer to a request to prepare steps that need more memory than they may have.
nlohmann::ordered_json skipped_steps(const std::string& id, double needed_bytes, double limit_bytes,
                                     const nlohmann::ordered_json& cells);

/// The parameters of a model as they are now.
std::vector<Tensor<float>> copied_parameters(SequenceModel<float>& model);

/// Writes a training's file: the tensors, and `parameters` under the names that the model has for
/// its own. Throws FileError.
void write_training_file(const std::filesystem::path& path,
                         const std::map<std::string, std::string>& metadata,
                         std::vector<NamedTensor> tensors, SequenceModel<float>& model,
                         const std::vector<Tensor<float>>& parameters);

/// The columns of steps.csv that follow from samples on so many threads.
nlohmann::ordered_json judged_steps(const JudgeRequest& request, Index threads);

}  // namespace seqbench
