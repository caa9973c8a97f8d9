// The rows of throughput.csv and samples.csv: every column of either is named and filled here.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "harness/files/csv.h"
#include "harness/machine/probe.h"
#include "harness/timing/case.h"
#include "harness/timing/measurement.h"
#include "harness/timing/noise.h"
#include "harness/timing/roofline.h"

namespace seqbench {

/// The commands that write throughput.csv.
inline const std::vector<std::string> kSweepCommands = {"throughput", "scaling"};

constexpr const char* kThroughputFile = "throughput.csv";
constexpr const char* kSamplesFile = "samples.csv";

extern const std::vector<std::string> kThroughputColumns;
extern const std::vector<std::string> kSamplesColumns;

/// The cells that tell what of a model is timed: block, layers of a model, match.
CsvRow scope_cells(const Case& one);

/// The cells of throughput.csv that are known without a measurement: model to state_bytes,
/// predicted_bytes, variant of a recurrent model, form where the kernel has a choice, ranks and
/// strategy of a case that has them.
CsvRow static_cells(const Case& one);

/// The median of one sample or more.
double median_peak_gflops(const std::vector<Sample>& samples);

/// The cells that one sample or more of whatever is timed on so many threads decide: seconds,
/// seconds_low, seconds_high, peak_gflops, status, reason, processes.
CsvRow timed_cells(const std::vector<Sample>& samples, int threads, const NoiseTerms& terms);

/// The cells of throughput.csv that follow from one sample or more of a case: repetitions to
/// fraction_of_limit, status, reason, outliers, processes; over ranks comm_seconds, bytes_sent. A
/// limit that is not a number leaves its cells empty.
CsvRow measured_cells(const Case& one, const std::vector<Sample>& samples, double limit_seconds,
                      const NoiseTerms& terms);

/// What the rows of a sweep share.
struct RowContext {
  std::string run_id;
  double precision = 0;                        // as MeasureOptions::precision
  const std::map<int, MachineLimits>& limits;  // by number of threads
  std::string doubt = "";                      // why all rows are noisy; "": they are not
};

/// The row of one measured case.
CsvRow throughput_row(const Measurement& measurement, const RowContext& context);

/// The row of one repetition; what is not known is an empty cell.
CsvRow sample_row(const TakenSample& taken, const std::string& run_id);

}  // namespace seqbench
