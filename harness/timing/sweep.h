// What `throughput` and `scaling` share: their options, the run over all groups, and the rows that
// it writes.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "harness/files/csv.h"
#include "harness/files/run_directory.h"
#include "harness/machine/probe.h"
#include "harness/timing/measurement.h"
#include "harness/timing/sweep_tables.h"

namespace seqbench {

/// Those that write throughput.csv.
inline const std::vector<std::string> kSweepCommands = {"throughput", "scaling"};

/// Declares --min-time, --seed and --memory-limit.
void add_timing_options(CommandLine& line);

/// The values of those options; repetitions are as by default.
MeasureOptions parse_timing_options(const CommandLine& line);

/// The cells of throughput.csv that are known without a measurement: model to state_bytes.
CsvRow static_cells(const Case& one);

/// The limit_seconds of a case while the FMA peak is `peak_gflops`; bandwidths are as `probed`.
double limit_seconds_at(const Case& one, MachineLimits probed, double peak_gflops);

/// Declares the grid's options, the measuring options and those of the output.
void add_sweep_options(CommandLine& line, const std::string& default_lengths);

/// The values of the measuring options; checks what follows `--`.
MeasureOptions parse_measure_options(const CommandLine& line);

/// Probes of every number of threads among the cases.
std::map<int, MachineLimits> probe_thread_counts(const std::vector<CaseGroup>& groups);

/// Measures every group, writing each sample as it is taken and its rows as it finishes, and
/// printing these as a table; groups that a resumed directory holds, none of their cases failed,
/// are passed over. Returns 1 when a case failed, else 0. Throws UsageError when the directory was
/// begun with other options.
int run_sweep(const std::vector<CaseGroup>& groups, const CommandLine& line,
              const MeasureOptions& options, RunDirectory& directory, const std::string& command);

/// `seqbench throughput`.
int throughput_command(const std::vector<std::string>& arguments);

}  // namespace seqbench
