// One step of a training: what is taken again and again, and what scripts/peers times.
#pragma once

#include <functional>

#include "harness/training.h"

namespace seqbench {

/// A model with its optimiser.
class TrainingStep {
 public:
  /// As the settings say. The model, which must outlive this, may be reserved later.
  TrainingStep(const TrainingSettings& settings, SequenceModel<float>& model);

  /// Forward, backward, clipping and one update. Returns the loss before the update.
  double run(const ThreadTeam& team, const TaskBatch& batch, double learning_rate);

 private:
  SequenceModel<float>& model_;
  double max_gradient_norm_;
  std::function<void(double learning_rate)> update_;
};

}  // namespace seqbench
