// `seqbench recall`: trains models on long-range tasks and writes recall.csv, learning.csv,
// gradient.csv, decay.csv and gap.csv, with --newton also newton.csv.
//
// Every training runs on one thread; several run side by side, the longest first. The rows of a
// training are written when it ends, its row in recall.csv last: with that row it counts as
// finished, and a resumed run passes over it unless it failed or was skipped.
#pragma once

#include <string>
#include <vector>

namespace seqbench {

/// Returns 0, or 1 when the folder holds a training that failed, of this run or an earlier one.
/// Throws UsageError, FileError, Interrupted.
int recall_command(const std::vector<std::string>& arguments);

}  // namespace seqbench
