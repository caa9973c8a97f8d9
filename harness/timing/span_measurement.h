// One case on one thread, task by task, shared out as for each of several numbers of processors,
// beside what it really takes on as many threads as there are CPUs.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "harness/timing/case.h"
#include "harness/timing/meeting_costs.h"
#include "harness/timing/repetition.h"
#include "harness/timing/work_span.h"

namespace seqbench {

struct SpanOptions {
  std::uint64_t seed = 1;
  double memory_limit_bytes = 0;
  double min_seconds = 0.02;  // of a repetition, recorded or measured
  int repetitions = 6;
  std::vector<Index> processors;  // to project for, rising, 1 among them
  std::vector<Index> threads;     // to measure, none more than there are CPUs
};

/// A case on a number of processors.
struct SpanPoint {
  int processors = 1;
  ProjectedTime projected;
  double peak_gflops = 0;        // of one thread, probed beside the recorded passes
  std::vector<Sample> measured;  // where as many threads were run, else none
};

/// What became of a case. All seconds are medians over the recorded passes.
struct SpanMeasurement {
  double work_seconds = 0;  // of the tasks of a single processor
  double span_seconds = 0;  // of those of the most processors, as all that follows
  double burdened_span_seconds = 0;
  Index tasks = 0, barriers = 0, regions = 0, steps = 0;
  double handed_over_bytes = 0;
  std::vector<SpanPoint> points;  // rising processors, none unless the status is "ok"
  std::string status = "ok";      // or "skipped", "failed"
  std::string reason;
};

/// Checks the case with the largest of the threads, then records and measures it in rounds, one
/// repetition of each number of processors and threads, in an order drawn anew; numbers that
/// nothing is measured on in every third round. `on_step` is told what comes next. Throws
/// Interrupted.
SpanMeasurement measure_span(Case one, const SpanOptions& options, const MeetingCosts& costs,
                             const std::function<void(const std::string&)>& on_step);

}  // namespace seqbench
