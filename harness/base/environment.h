// What other libraries read from the environment, beside our backs.
//
// Google Benchmark takes options from BENCHMARK_*, hwloc another machine's topology from HWLOC_*,
// and OpenMP prints its settings for OMP_DISPLAY_*. None of this may reach a run, whose options are
// those of its command line. Libraries read it as soon as the program is loaded, so these variables
// are taken away before the first of them starts. What is left decides how fast a run is (threads
// that spin or sleep, the BLAS's kernels, where memory comes from): it stays, and is recorded.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace seqbench {

/// True for the name of a variable that is taken away.
bool is_kept_from_libraries(std::string_view name);

/// Names and values of the variables that libraries of ours may read, by name.
std::vector<std::pair<std::string, std::string>> library_variables();

/// Tells hwloc not to print what it thinks of the topology that the system tells, and LLVM's OpenMP
/// not to print that it grants fewer threads, which ThreadTeam finds out.
void silence_libraries();

}  // namespace seqbench
