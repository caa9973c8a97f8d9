// What `throughput` and `scaling` share: their options and the run over all groups.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "harness/files/csv.h"
#include "harness/files/run_directory.h"
#include "harness/machine/probe.h"
#include "harness/timing/case.h"
#include "harness/timing/measure_options.h"
#include "harness/timing/measurement.h"
#include "harness/timing/sweep_tables.h"

namespace seqbench {

/// Declares the grid's options, the measuring options and those of the output.
void add_sweep_options(CommandLine& line, const std::string& default_lengths);

/// Probes of every number of threads among the cases.
std::map<int, MachineLimits> probe_thread_counts(const std::vector<CaseGroup>& groups);

/// A command's sweep.
struct Sweep {
  std::string command;
  const std::vector<CaseGroup>& groups;
  const CommandLine& line;
  const MeasureOptions& options;
  RunDirectory& directory;
  OtherProcesses others = {};
};

/// Measures every group, writing each sample as it is taken and its rows as it finishes, and
/// printing these as a table. With other processes, the groups of some minutes are visited in turn
/// and finish together. Groups that a resumed directory holds, none of their cases failed,
/// are passed over. Returns 1 when a case failed, else 0. Throws UsageError when the directory was
/// begun with other options.
int run_sweep(const Sweep& sweep);

}  // namespace seqbench
