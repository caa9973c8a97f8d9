// `seqbench sample`: writes text with a model that `seqbench train` trained. The text goes to
// standard output as it comes; how fast it came, and what the model carries along, to standard
// error.
#pragma once

#include <string>
#include <vector>

namespace seqbench {

/// Returns 0. Throws UsageError, FileError, Interrupted.
int sample_command(const std::vector<std::string>& arguments);

}  // namespace seqbench
