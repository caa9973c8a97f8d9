// Memory against recall (`recall --frontier`): how much of what it read does a model answer from,
// beside the bytes that it carries from token to token and the rate at which it then decodes (Arora
// et al. 2024, "Based", fig. 2)? A recurrent state has a fixed size; attention's cache holds every
// token.
#pragma once

#include <vector>

#include "harness/base/command_line.h"
#include "harness/timing/case.h"
#include "harness/training/training_run.h"
#include "harness/training/training_settings.h"

namespace seqbench {

constexpr const char* kFrontierFile = "frontier.csv";

/// Bytes that the training's model carries from token to token where a sequence ends.
double carried_bytes(const TrainingSettings& settings);

/// What is timed: the decode step of the last token of one sequence, by one of the model's layers
/// on one thread.
Case decode_case(const TrainingSettings& settings);

/// Times decode at the sizes of the trainings asked for, alone, then runs them side by side and
/// writes frontier.csv to --out, a row a training. Returns the exit code. Throws as the command
/// does.
int frontier(const CommandLine& line, const std::vector<TrainingSettings>& requested,
             const SideBySideOptions& options);

}  // namespace seqbench
