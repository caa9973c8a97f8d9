// What a training takes in time and memory.
#pragma once

#include "harness/training/training_settings.h"

namespace seqbench {

/// What a training takes, known before anything is allocated. Doubles, as in LayerCost.
struct TrainingCost {
  double flops = 0;  // of all steps
  double bytes = 0;  // parameters, gradients, moments, activations; the double copy for gradients
};
/// Throws std::invalid_argument when the model refuses the settings.
TrainingCost training_cost(const TrainingSettings& settings);

}  // namespace seqbench
