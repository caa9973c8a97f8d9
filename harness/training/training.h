// One training of one model on one task, at one distance or at several mixed, and what it tells.
//
// A training is a function of its settings alone: every random number comes from the seed, through
// streams of its own for parameters, training data, test data, gradient probes and dropout, so that
// all models see the same sequences, and a result repeats bit for bit, alone or beside others.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/models/sequence_model.h"
#include "harness/models/variants.h"
#include "harness/tasks/presets.h"
#include "harness/tasks/tasks.h"
#include "harness/training/gradient_probe.h"
#include "harness/training/score.h"

namespace seqbench {

/// The streams of a training's seed.
namespace streams {
inline constexpr std::uint64_t kParameters = 0, kTrainingData = 1, kTestData = 2;
inline constexpr std::uint64_t kGradientData = 3;  // and the next (gradient_probe.h)
inline constexpr std::uint64_t kDropped = 5, kStoppingData = 6;
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
  Index pairs = 0;                  // for tasks that have them
  Index seed = 1;
  Index steps = 1;
  Index batch = 1;
  Index width = 1;
  ModelSettings form;
  bool measure_gradients = true;
  Index gradient_steps = 0;  // how far back at least; 0: as far as sequences of training reach

  /// Sequences a step where none are asked for.
  Index default_batch() const;
  const TaskDefaults& defaults() const { return preset ? preset->settings : task->defaults; }
  /// Training at `distance` as the task sees it.
  TaskSetting task_setting() const { return task_setting(distance); }
  TaskSetting task_setting(Index at) const { return {.distance = at, .pairs = pairs}; }
  Index seq_len() const { return task->sequence_length(task_setting()); }
  /// "single": trained at one distance; "mixed".
  std::string regime() const { return mixture.empty() ? "single" : "mixed"; }
  std::vector<Index> trained_distances() const;
  /// Those of training, further ones of the setting, and twice the longest of a mixture.
  std::vector<Index> tested_distances() const;
};

/// The mean over the batches of a stretch of training that ends after `step` steps.
struct LearningPoint {
  Index step = 0;
  double seconds = 0;  // of training so far
  double loss = 0;
  double accuracy = 0;
};

/// How well the trained model does on fresh test sequences of one distance.
struct TestScore {
  Index distance = 0;
  double accuracy = 0;
  double loss = 0;
  std::optional<double> pair_accuracy;  // where tests come in minimal pairs
  std::vector<GapScore> by_gap;  // gaps from one power of two to the next; empty where the task's
                                 // distance tells the gap

  bool solves(const TaskDefaults& defaults) const { return accuracy >= defaults.solved_accuracy; }
};

struct TrainingResult {
  Index parameters = 0;
  Index steps = 0;                      // taken
  std::optional<Index> steps_to_solve;  // end of the first stretch, or test, that counts as solved
  std::optional<double> seconds_to_solve;  // of training, up to there
  double train_seconds = 0;
  std::vector<TestScore> tests;
  std::vector<LearningPoint> learning;
  std::vector<GradientPoint> initial_gradients, trained_gradients;  // empty unless measured
  std::string failure;                          // why training could not go on; empty when it could
  std::unique_ptr<SequenceModel<float>> model;  // as trained
};

/// What a training takes, known before anything is allocated. Doubles, as in LayerCost.
struct TrainingCost {
  double flops = 0;  // of all steps
  double bytes = 0;  // parameters, gradients, moments, activations; the double copy for gradients
};
/// Throws std::invalid_argument when the model refuses the settings.
TrainingCost training_cost(const TrainingSettings& settings);

/// Told before each step of the steps taken and the learning points so far; false stops the
/// training.
using KeepGoing = std::function<bool(const TrainingResult& so_far)>;

/// Trains on the calling thread. Empty when it was stopped. Throws std::invalid_argument when the
/// model refuses the settings, std::bad_alloc.
std::optional<TrainingResult> train(const TrainingSettings& settings, const KeepGoing& keep_going);

/// The model that these settings describe.
SequenceModelSpec model_spec(const TrainingSettings& settings);

/// Draws the parameters that the training starts with: they follow from its seed.
void initialise(const TrainingSettings& settings, SequenceModel<float>& model);

/// Allocates what the training's steps need.
void reserve_for_steps(const TrainingSettings& settings, SequenceModel<float>& model);

/// The first batch that the training sees.
TaskBatch first_batch(const TrainingSettings& settings);

}  // namespace seqbench
