// `seqbench crossover`: the length at which attention loses its lead over each recurrent model, by
// bisection on pairs of repetitions; crossover.csv and ratios.csv.
#pragma once

#include <string>
#include <vector>

namespace seqbench {

/// Returns 1 when a case failed, else 0. Throws UsageError, FileError, Interrupted.
int crossover_command(const std::vector<std::string>& arguments);

}  // namespace seqbench
