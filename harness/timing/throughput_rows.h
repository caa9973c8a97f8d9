// The rows of throughput.csv and samples.csv: every column of either is named and filled here.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "harness/files/csv.h"
#include "harness/machine/probe.h"
#include "harness/timing/case.h"
#include "harness/timing/measurement.h"
#include "harness/timing/roofline.h"

namespace seqbench {

/// The commands that write throughput.csv.
inline const std::vector<std::string> kSweepCommands = {"throughput", "scaling"};

constexpr const char* kThroughputFile = "throughput.csv";
constexpr const char* kSamplesFile = "samples.csv";

extern const std::vector<std::string> kThroughputColumns;
extern const std::vector<std::string> kSamplesColumns;

/// The cells of throughput.csv that are known without a measurement: model to state_bytes,
/// predicted_bytes, and form where the kernel has a choice.
CsvRow static_cells(const Case& one);

/// The limit_seconds of a case while the FMA peak is `peak_gflops`; bandwidths are as `probed`.
double limit_seconds_at(const Case& one, MachineLimits probed, double peak_gflops);

/// What the rows of a sweep share.
struct RowContext {
  std::string run_id;
  double precision = 0;                        // as MeasureOptions::precision
  const std::map<int, MachineLimits>& limits;  // by number of threads
};

/// The row of one measured case.
CsvRow throughput_row(const Measurement& measurement, const RowContext& context);

/// The row of one repetition.
CsvRow sample_row(const TakenSample& taken, const std::string& run_id);

}  // namespace seqbench
