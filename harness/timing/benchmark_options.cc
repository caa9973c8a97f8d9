#include "harness/timing/benchmark_options.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <regex>
#include <utility>

#include "harness/base/command_line.h"
#include "harness/base/errors.h"

namespace seqbench {
namespace {

/// Hands Google Benchmark a command line that it understands: its own words for another would be a
/// page of usage, and the end of this program.
void initialise_benchmark(const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {"seqbench", "--benchmark_enable_random_interleaving=true"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  int count = static_cast<int>(pointers.size());
  benchmark::Initialize(&count, pointers.data());
}

[[noreturn]] void refuse(const std::string& argument, const std::string& expected) {
  throw UsageError("'" + argument + "' behind -- is not allowed; expected " + expected);
}

/// As Google Benchmark reads it: POSIX's extended grammar, a leading "-" for what does not match.
bool is_filter(const std::string& text) {
  try {
    const std::regex parsed(text.starts_with('-') ? text.substr(1) : text, std::regex::extended);
    return !text.empty();
  } catch (const std::regex_error&) {
    return false;
  }
}

/// An option of Google Benchmark that has a meaning here: samples are taken and written by
/// seqbench.
struct Known {
  std::string name;
  bool (*is_allowed)(const std::string& value);
  std::string expected;
};

const std::vector<Known>& known_options() {
  static const std::vector<Known> options = {
      {"--benchmark_filter", is_filter, "--benchmark_filter=REGEX"},
      {"--benchmark_enable_random_interleaving",
       [](const std::string& value) { return value == "true" || value == "false"; },
       "--benchmark_enable_random_interleaving=true or false"},
  };
  return options;
}

void check(const std::string& argument) {
  for (const auto& [theirs, ours] :
       {std::pair("--benchmark_repetitions", "--repetitions"),
        std::pair("--benchmark_min_time", "--min-time"), std::pair("--benchmark_out", "--out")}) {
    if (argument.starts_with(theirs)) refuse(argument, ours);
  }
  const std::size_t equals = argument.find('=');
  const auto option = std::ranges::find(known_options(), argument.substr(0, equals), &Known::name);
  if (option == known_options().end()) {
    std::vector<std::string> names;
    for (const Known& known : known_options()) names.push_back(known.name);
    refuse(argument, "an option of Google Benchmark that seqbench knows: " + join(names, " or "));
  }
  if (equals == std::string::npos || !option->is_allowed(argument.substr(equals + 1))) {
    refuse(argument, option->expected);
  }
}

}  // namespace

void pass_to_benchmark(const std::vector<std::string>& arguments) {
  std::ranges::for_each(arguments, check);
  initialise_benchmark(arguments);
}

}  // namespace seqbench
