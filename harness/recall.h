// `seqbench recall`: trains models on long-range tasks and writes recall.csv, learning.csv and
// gradient.csv.
//
// Every training runs on one thread; several run side by side, the longest first. The rows of a
// training are written when it ends, its row in recall.csv last: with that row it counts as
// finished, and a resumed run passes over it.
#pragma once

#include <string>
#include <vector>

namespace seqbench {

extern const std::vector<std::string> kRecallColumns;
extern const std::vector<std::string> kLearningColumns;
extern const std::vector<std::string> kGradientColumns;

/// Returns 0, or 1 when a training failed. Throws UsageError, FileError, Interrupted.
int recall_command(const std::vector<std::string>& arguments);

}  // namespace seqbench
