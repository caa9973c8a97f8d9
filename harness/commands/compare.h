// `seqbench compare`: two runs, or two builds that are run interleaved.
#pragma once

#include <string>
#include <vector>

namespace seqbench {

/// Exit code 3 when a case got slower, or fails in the new alone.
int compare_command(const std::vector<std::string>& arguments);

}  // namespace seqbench
