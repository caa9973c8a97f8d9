// The timing loop: one group of comparable cases, timed by Google Benchmark on wall time.
//
// Google Benchmark draws the order of all repetitions of the group at random, so that drift hits
// every case alike. Each repetition is bracketed by a probe of the FMA peak with the same threads
// on the same CPUs: the ratio of the two holds where an absolute time does not.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "harness/case.h"

namespace seqbench {

/// One repetition.
struct Sample {
  double seconds = 0;         // of one pass over the batch
  double peak_gflops = 0;     // mean of the probes before and after
  double steal_fraction = 0;  // of these CPUs' time, taken by the hypervisor meanwhile
};

struct MeasureOptions {
  int repetitions = 9;
  double min_seconds = 0.02;  // of each repetition
  std::uint64_t seed = 1;
  double memory_limit_bytes = 0;
  std::vector<std::string> benchmark_arguments = {};  // passed on to Google Benchmark
};

/// What became of one case. `reason` is empty when all repetitions were taken.
struct Measurement {
  Case the_case;
  std::vector<Sample> samples;
  double peak_bytes = 0;  // measured growth of the resident set
  std::string status;     // "failed", "skipped", or "" when samples decide
  std::string reason;
};

/// Throws UsageError when Google Benchmark does not know one of `arguments`.
void check_benchmark_arguments(const std::vector<std::string>& arguments);

/// Checks and times all cases of a group, in their order. `on_step` is told what is under way and
/// called after each repetition. Throws Interrupted after the repetition under way when a signal
/// came.
std::vector<Measurement> measure_group(const CaseGroup& group, const MeasureOptions& options,
                                       const std::function<void(const std::string&)>& on_step);

}  // namespace seqbench
