#include "harness/timing/measure_options.h"

#include <algorithm>

#include "harness/machine/memory.h"
#include "harness/timing/benchmark_options.h"

namespace seqbench {
namespace {

// Each holds the group's cases.
constexpr Index kMostProcesses = 64;

}  // namespace

void add_timing_options(CommandLine& line) {
  line.option("min-time", "0.02", "least seconds of a repetition");
  line.option("seed", "1", "seed of parameters and inputs");
  line.option("memory-limit", "",
              "most memory a case may use, such as 4GiB (default: three quarters of what is free)");
}

MeasureOptions parse_timing_options(const CommandLine& line) {
  MeasureOptions options;
  options.min_seconds = line.number("min-time", 1e-6, 3600);
  options.seed = static_cast<std::uint64_t>(line.integer("seed", 0));
  options.memory_limit_bytes = usable_memory_bytes();
  if (line.given("memory-limit")) {
    options.memory_limit_bytes = std::min(options.memory_limit_bytes,
                                          parse_bytes("memory-limit", line.text("memory-limit")));
  }
  return options;
}

void add_measure_options(CommandLine& line) {
  line.option("repetitions", "12", "repetitions of each case in all, interleaved within a group");
  line.option("processes", "6",
              "processes that the repetitions are spread over: where a process's memory comes to "
              "lie decides some percent; 1: this process alone, whose interval leaves that out");
  line.option("precision", "",
              "add repetitions until a case's seconds are known to this share to either side (95 % "
              "interval), such as 2%");
  line.option("precision-time", "60", "most seconds of a group's added repetitions");
  add_timing_options(line);
}

MeasureOptions parse_measure_options(const CommandLine& line) {
  MeasureOptions options = parse_timing_options(line);
  options.repetitions = static_cast<int>(line.integer("repetitions", 1, 100000));
  options.processes = static_cast<int>(line.integer("processes", 1, kMostProcesses));
  if (line.given("precision")) {
    options.precision = parse_share("precision", line.text("precision"), 0.0001, 1);
  }
  options.precision_seconds = line.number("precision-time", 0.001, 86400);
  pass_to_benchmark(line.passed_on());
  return options;
}

}  // namespace seqbench
