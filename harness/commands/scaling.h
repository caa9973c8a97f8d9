// `seqbench scaling`: the sweep whose fits, speedups and crossovers settle the claims.
#pragma once

#include <string>
#include <vector>

namespace seqbench {

int scaling_command(const std::vector<std::string>& arguments);

}  // namespace seqbench
