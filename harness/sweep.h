// What `throughput` and `scaling` share: their options, the run over all groups, and the files
// throughput.csv and samples.csv.
#pragma once

#include <string>
#include <vector>

#include "harness/csv.h"
#include "harness/measurement.h"
#include "harness/run_directory.h"

namespace seqbench {

extern const std::vector<std::string> kThroughputColumns;
extern const std::vector<std::string> kSamplesColumns;

/// Declares the grid's options, the measuring options and those of the output.
void add_sweep_options(CommandLine& line);

/// The values of the measuring options; checks what follows `--`.
MeasureOptions parse_measure_options(const CommandLine& line);

/// Measures every group, appending its rows as it finishes and printing them as a table; groups
/// that a resumed directory holds completely are passed over. Returns 1 when a case failed, else 0.
int run_sweep(const std::vector<CaseGroup>& groups, const CommandLine& line,
              const MeasureOptions& options, RunDirectory& directory, const std::string& command);

/// `seqbench throughput`.
int throughput_command(const std::vector<std::string>& arguments);

}  // namespace seqbench
