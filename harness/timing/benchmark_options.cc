#include "harness/timing/benchmark_options.h"

#include <benchmark/benchmark.h>

#include <utility>

#include "harness/base/errors.h"

namespace seqbench {
namespace {

/// Hands Google Benchmark a command line; false when it does not know part of it.
bool initialise_benchmark(const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {"seqbench", "--benchmark_enable_random_interleaving=true"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  int count = static_cast<int>(pointers.size());
  benchmark::Initialize(&count, pointers.data());
  return count <= 1;
}

}  // namespace

void pass_to_benchmark(const std::vector<std::string>& arguments) {
  for (const std::string& argument : arguments) {
    for (const auto& [theirs, ours] : {std::pair("--benchmark_repetitions", "--repetitions"),
                                       std::pair("--benchmark_min_time", "--min-time")}) {
      if (argument.starts_with(theirs)) {
        throw UsageError("'" + argument + "' behind -- is not allowed; expected " + ours);
      }
    }
    if (!initialise_benchmark({argument})) {
      throw UsageError("'" + argument +
                       "' behind -- is not allowed; expected an option of Google Benchmark such as "
                       "--benchmark_filter=REGEX");
    }
  }
  initialise_benchmark(arguments);
}

}  // namespace seqbench
