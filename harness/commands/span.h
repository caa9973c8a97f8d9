// `seqbench span`: work, span and parallelism of each kernel, counted and timed task by task on one
// thread, and what follows from them for other numbers of processors; span.csv and projection.csv.
#pragma once

#include <string>
#include <vector>

namespace seqbench {

/// Returns 1 when a case failed, else 0. Throws UsageError, FileError, Interrupted.
int span_command(const std::vector<std::string>& arguments);

}  // namespace seqbench
