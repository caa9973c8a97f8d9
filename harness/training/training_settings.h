// What a training is: the task, the model and all that was chosen for both.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/models/sequence_model.h"
#include "harness/models/variants.h"
#include "harness/tasks/presets.h"
#include "harness/tasks/task.h"

namespace seqbench {

/// The streams of a training's seed.
namespace streams {
inline constexpr std::uint64_t kParameters = 0, kTrainingData = 1, kTestData = 2;
inline constexpr std::uint64_t kGradientData = 3;  // and the next (gradient_probe.h)
inline constexpr std::uint64_t kDropped = 5, kStoppingData = 6, kSweepData = 7;
inline constexpr std::uint64_t kFirstSequence = 1 << 16;  // of a shuffled set, each its own
}  // namespace streams

struct TrainingSettings {
  const Task* task = nullptr;
  const Preset* preset = nullptr;  // the published setting that takes the place of the task's
  std::string model;
  Variant variant = {};
  Index distance = 1;               // in training; of a mixture the one asked for, the longest
                                    // where several are
  std::vector<Index> mixture = {};  // distances mixed in training, ascending; empty: one alone
  std::vector<Index> further_tests = {};  // distances that are tested besides
  Index pairs = 0;                        // for tasks that have them
  Index seed = 1;
  Index training_steps = 1;
  Index batch = 1;
  ModelForm form;
  double learning_rate = 1e-3;              // the peak
  std::optional<double> weight_decay = {};  // nothing: the setting's
  bool measure_gradients = true;
  bool measure_sweeps = false;  // of models that have the kernel newton
  Index gradient_reach = 0;     // how far back at least; 0: as far as sequences of training reach
  Factors factors = Factors::kAsTheyAre;  // of all products; kBfloat16 where no gradients or sweeps
                                          // are measured

  /// Sequences a step where none are asked for.
  Index default_batch() const;
  /// The weight decay asked for, or the setting's.
  double used_weight_decay() const { return weight_decay.value_or(defaults().weight_decay); }
  const TaskDefaults& defaults() const { return preset ? preset->settings : task->defaults; }
  /// Training at `distance` as the task sees it.
  TaskSetting task_setting() const { return task_setting(distance); }
  TaskSetting task_setting(Index at) const { return {.distance = at, .pairs = pairs}; }
  Index seq_len() const { return task->sequence_length(task_setting()); }
  /// "single": trained at one distance; "mixed".
  std::string regime() const { return mixture.empty() ? "single" : "mixed"; }
  std::vector<Index> trained_distances() const;
  /// Those of training, further ones of the setting and those asked for, and twice the longest of a
  /// mixture.
  std::vector<Index> tested_distances() const;
};

/// The training of a model as the task has it, or as a published setting has it, unless `preset` is
/// null: everything but distance, variant, seed and batch. Throws std::out_of_range for a model
/// that takes no part.
TrainingSettings default_training(const Task& task, const Preset* preset, const std::string& model);

/// Where a model's layers stand: "layer", bare, or "model", inside residual blocks.
std::string block_name(const ModelForm& form);

/// A recurrent model inside the blocks that attention has in the same setting, in place of
/// attention: as many of them, with their norms, residuals, MLP and weight decay. Its learning rate
/// stays its own. Throws std::invalid_argument where attention takes no part.
TrainingSettings in_attention_blocks(TrainingSettings settings);

/// Whether the setting has the model's layers bare and these have them in blocks.
bool stands_in_other_blocks(const TrainingSettings& settings);

/// "first_token causal single lstm chrono 1 layer distance 64 seed 1"; "2 layers in blocks" where
/// the setting has the model's layers bare.
std::string label(const TrainingSettings& settings);

/// The largest of the batches at these distances.
struct LargestBatch {
  SequenceShape shape;
  Index answers = 0;  // of the whole batch
};
LargestBatch largest_batch(const TrainingSettings& settings, const std::vector<Index>& distances);

/// The model that these settings describe.
SequenceModelSpec model_spec(const TrainingSettings& settings);

}  // namespace seqbench
