// `seqbench repeat`: serves single repetitions to another program (harness/server/protocol.h).
#pragma once

#include <string>
#include <vector>

namespace seqbench {

/// The command; ends with its input. Throws UsageError, Interrupted.
int repeat_command(const std::vector<std::string>& arguments);

}  // namespace seqbench
