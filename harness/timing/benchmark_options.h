// What is passed on to Google Benchmark.
#pragma once

#include <string>
#include <vector>

namespace seqbench {

/// Passes options on to Google Benchmark. Throws UsageError when it does not know one of them, or
/// when it is one that seqbench sets itself.
void pass_to_benchmark(const std::vector<std::string>& arguments);

}  // namespace seqbench
