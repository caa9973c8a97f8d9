// `seqbench train`: trains models to predict the next token of a text and writes training.csv,
// context.csv and text-samples.csv.
//
// Trainings run one after the other, each on all threads: their seconds are compared. A row is on
// the disk as soon as it is known; a training counts as finished with its rows in context.csv.
#pragma once

#include <string>
#include <vector>

namespace seqbench {

/// Returns 0, or 1 when a training's loss was not finite. Throws UsageError, FileError,
/// Interrupted.
int train_command(const std::vector<std::string>& arguments);

}  // namespace seqbench
