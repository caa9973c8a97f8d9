// What `throughput` and `scaling` share: their options and the run over all groups.
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
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

/// Declares the grid's options, the measuring options, --shard and those of the output.
void add_sweep_options(CommandLine& line, const std::string& default_lengths);

/// A share of a sweep whose groups are run in several folders, on one machine or on many.
struct Shard {
  Index index = 1, count = 1;  // 1 ≤ index ≤ count

  bool is_whole() const { return count == 1; }
};

/// What --shard says, the whole where it says nothing. Throws UsageError.
Shard parse_shard(const CommandLine& line);

/// The groups of a share, in their order. The costliest groups are dealt out first, each to the
/// share that has least so far, by FLOPs, which the options alone decide. Throws UsageError when
/// that leaves none.
std::vector<CaseGroup> groups_of(const Shard& shard, const std::vector<CaseGroup>& groups);

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
  const nlohmann::ordered_json* ranks =
      nullptr;             // who they are, for machine.json; or there are none
  std::string doubt = "";  // RowContext::doubt
  /// Told a group's measurements before its rows are written.
  std::function<void(const std::vector<Measurement>&)> on_finished =
      [](const std::vector<Measurement>&) {};
};

/// Measures every group, writing each sample as it is taken and its rows as it finishes, and
/// printing these as a table. With other processes, the groups of some minutes are visited in turn
/// and finish together. Groups that a resumed directory holds, none of their cases failed,
/// are passed over. Returns 1 when a case failed, else 0. Throws UsageError when the directory was
/// begun with other options.
int run_sweep(const Sweep& sweep);

}  // namespace seqbench
