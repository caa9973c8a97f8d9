// `seqbench repeat --task`: steps of a training on request, so that scripts/peers can interleave
// them with those of another library that trains the same model.
//
// The requests are those of harness/server/protocol.h, but for
//
//   {"do":"prepare","case":ID,"file":PATH}   {"case":ID, "status":"ready", "peak_bytes":…,
//                                             "cells":{…}}, the columns task to parameters of
//                                             steps.csv; PATH then holds the training. Or
//                                             "status":"skipped" with a "reason"
//   {"do":"repeat","case":ID}                the same answer without "limit_seconds"
//   {"do":"judge","case":ID,"samples":[…]}   the columns rounds to peak_gflops, status and reason
//                                            of steps.csv
//
// The file (.safetensors) has all that the other library needs: the parameters under their names,
// the batch ("tokens" [B, T], "answer_rows" [A], "targets" [A], whole numbers), the losses of the
// first steps ("losses"), and as metadata the model's form and the optimiser's settings.
//
// A step is what train() takes: forward, backward, clipping and AdamW, on one thread. All are taken
// on the same batch, so that drawing one is not timed.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "harness/base/command_line.h"
#include "harness/server/protocol.h"
#include "harness/tasks/task_batch.h"
#include "harness/timing/measure_options.h"
#include "harness/timing/measurement.h"
#include "harness/training/training_settings.h"
#include "harness/training/training_step.h"

namespace seqbench {

/// Steps of these settings' training.
struct StepCase {
  TrainingSettings settings;

  /// "mqar:lstm:seqbench:B64:T256:D64:t1".
  std::string id() const;
};

/// A training under way.
struct RunningTraining {
  explicit RunningTraining(const TrainingSettings& settings);

  ThreadTeam team{1};  // as train() does
  TaskBatch batch;
  SequenceModel<float> model;
  TrainingStep step;
};

/// Answers the requests about some trainings' steps.
class StepServer : public CaseServer<StepCase, std::unique_ptr<RunningTraining>> {
 public:
  StepServer(std::vector<StepCase> cases, const MeasureOptions& options)
      : CaseServer(std::move(cases), {"file"}), options_(options) {}

 private:
  Json prepare_case(const StepCase& one, const Json& request) override;
  Json repeat(const StepCase& one, std::unique_ptr<RunningTraining>& training,
              Index passes) override;
  Json judge(const StepCase& one, const JudgeRequest& request) override;

  MeasureOptions options_;
};

/// Declares --task.
void add_step_options(CommandLine& line);

/// The cases of --task, --model, --length, --batch and --width, in their order. Throws UsageError,
/// also for an option of the grid that a training does not have.
std::vector<StepCase> parse_step_cases(const CommandLine& line);

}  // namespace seqbench
