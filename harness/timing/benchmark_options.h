// What is passed on to Google Benchmark.
#pragma once

#include <string>
#include <vector>

namespace seqbench {

/// Passes options on to Google Benchmark. Throws UsageError for one that it does not know, whose
/// value it does not understand, which has no effect here, or which seqbench sets itself.
void pass_to_benchmark(const std::vector<std::string>& arguments);

}  // namespace seqbench
