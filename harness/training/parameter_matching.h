// Models with as many parameters as each other (`recall --match parameters`).
#pragma once

#include <vector>

#include "harness/training/training_settings.h"

namespace seqbench {

/// The trainable numbers of the model that these settings describe. Throws std::invalid_argument
/// when it refuses them, std::bad_alloc.
Index parameter_count(const TrainingSettings& settings);

/// Sets the width of each training to that which comes closest to the largest number of parameters
/// of any of them at the same distance. Throws UsageError when one cannot come within the
/// tolerance; std::bad_alloc.
void match_parameters(std::vector<TrainingSettings>& trainings);

}  // namespace seqbench
