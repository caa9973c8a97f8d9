// `seqbench machine`: probes and prints this machine.
#pragma once

#include <string>
#include <vector>

namespace seqbench {

/// The command. Throws UsageError, Interrupted.
int machine_command(const std::vector<std::string>& arguments);

}  // namespace seqbench
