// `seqbench throughput`: times every combination of the listed values; throughput.csv and
// samples.csv.
#pragma once

#include <string>
#include <vector>

namespace seqbench {

/// Returns 1 when a case failed, else 0. Throws UsageError, FileError, Interrupted.
int throughput_command(const std::vector<std::string>& arguments);

}  // namespace seqbench
