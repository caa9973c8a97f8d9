// `seqbench list`: what there is to measure, and what a sweep would cost. Measures nothing.
#pragma once

#include <string>
#include <vector>

namespace seqbench {

int list_command(const std::vector<std::string>& arguments);

}  // namespace seqbench
