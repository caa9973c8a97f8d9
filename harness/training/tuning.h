// Which learning rate suits a model on a task (`recall --tune`): what it finds is frozen in the
// settings table of tasks.cc.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "harness/base/command_line.h"
#include "harness/training/training_run.h"
#include "harness/training/training_settings.h"

namespace seqbench {

constexpr const char* kTuningFile = "tuning.csv";
inline constexpr std::array<double, 4> kTuningRates = {3e-4, 1e-3, 3e-3, 1e-2};
/// Of data and parameters that no reported training sees.
constexpr Index kTuningSeed = 1000;

/// What is tried for the trainings asked for: each kind once, at the middle of its distances, with
/// each learning rate.
std::vector<TrainingSettings> tuning_trials(const std::vector<TrainingSettings>& requested);

/// How well one learning rate did.
struct TuningScore {
  bool failed = false;
  std::optional<Index> steps_to_solve = {};
  double loss = 0;  // of the test
};
/// A training that was solved sooner is better; where neither was or both as soon, a lower test
/// loss; one that failed is worst.
bool is_better(const TuningScore& a, const TuningScore& b);

/// Runs the trials, writes tuning.csv to --out, prints it and the best rate of each kind. Returns
/// the exit code. Throws as the command does.
int tune(const CommandLine& line, const std::vector<TrainingSettings>& requested,
         const SideBySideOptions& options);

}  // namespace seqbench
