// One step of a training: what is taken again and again, and what scripts/peers times.
#pragma once

#include <functional>

#include "harness/tasks/task_batch.h"
#include "harness/training/sliced_pass.h"
#include "harness/training/training_settings.h"

namespace seqbench {

/// A model with its optimiser.
class TrainingStep {
 public:
  /// As the settings say. The model must outlive this and be reserved for the largest slice of a
  /// batch (harness/training/sliced_pass.h) before the first step.
  TrainingStep(const TrainingSettings& settings, SequenceModel<float>& model);

  /// Forward, backward, clipping and one update. Returns the loss before the update.
  double run(const ThreadTeam& team, const TaskBatch& batch, double learning_rate);
  /// For each answer of the last step, whether it was right.
  const std::vector<bool>& right() const { return pass_.right(); }

 private:
  SequenceModel<float>& model_;
  SlicedPass<float> pass_;
  double max_gradient_norm_;
  std::function<void(double learning_rate)> update_;
};

}  // namespace seqbench
