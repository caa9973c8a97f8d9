// What queries, keys and values are for (`recall --ablate`): attention with one part taken away at
// a time (attention/ablation.h), trained and tested as the whole.
#pragma once

#include <array>
#include <vector>

#include "attention/ablation.h"
#include "harness/base/command_line.h"
#include "harness/training/training_run.h"
#include "harness/training/training_settings.h"

namespace seqbench {

constexpr const char* kAblationFile = "ablation.csv";

/// What stands in column `ablation`.
struct AblationName {
  Ablation ablation;
  const char* name;
};
inline constexpr std::array kAblationNames = {
    AblationName{Ablation::kNone, "none"},
    AblationName{Ablation::kFrozenQueriesAndKeys, "frozen_qk"},
    AblationName{Ablation::kUnscaled, "no_scale"},
    AblationName{Ablation::kIdentityValues, "identity_v"},
    AblationName{Ablation::kOneHead, "one_head"},
    AblationName{Ablation::kNoSoftmax, "no_softmax"}};
const char* name_of(Ablation ablation);

/// Heads of the whole, where none are asked for: one is an ablation of it.
constexpr Index kAblatedHeads = 4;

/// Each training whole and with each part taken away.
std::vector<TrainingSettings> with_each_ablation(const std::vector<TrainingSettings>& trainings);

/// Runs the trainings asked for with each ablation, and writes ablation.csv to --out, a row a
/// training. Returns the exit code. Throws as the command does.
int ablate(const CommandLine& line, const std::vector<TrainingSettings>& requested,
           const SideBySideOptions& options);

}  // namespace seqbench
