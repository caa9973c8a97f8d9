// Trainings side by side: each on a thread of its own, which is the faster use of several CPUs for
// models as small as those of the recall tasks.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "harness/training/training.h"
#include "harness/training/training_settings.h"

namespace seqbench {

struct SideBySideOptions {
  Index threads = 1;        // trainings side by side
  double memory_bytes = 0;  // of all of them together, shared evenly
  bool shows_progress = true;
};

/// How one training ended.
struct Outcome {
  std::optional<TrainingResult> result;
  std::string skipped;  // why it was not run; empty when it was
};

/// Told of each training as it ends, one at a time.
using TakeOutcome = std::function<void(const TrainingSettings& settings, const Outcome& outcome)>;

/// Runs the longest first, so that no thread is left alone with a long one at the end. Throws
/// Interrupted when a signal came, after the outcomes of all that ended before; what `take` or a
/// training throws.
void run_trainings(std::vector<TrainingSettings> trainings, const SideBySideOptions& options,
                   const TakeOutcome& take);

}  // namespace seqbench
