// `seqbench throughput --strategy` on the ranks that a launcher of MPI started.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "harness/base/command_line.h"
#include "harness/ranks/communicator.h"
#include "harness/ranks/cpu_shares.h"
#include "harness/ranks/replay.h"
#include "harness/timing/case.h"
#include "harness/timing/measure_options.h"

namespace seqbench {

/// Declares --strategy.
void add_strategy_option(CommandLine& line);

/// For a process that is no rank: throws UsageError where --strategy was given.
void refuse_strategy(const CommandLine& line);

/// What all ranks are about to do, the same on each.
struct RankPlan {
  std::vector<CaseGroup> groups;
  MeasureOptions options;
};

/// The plan of a parsed line with --strategy for so many ranks, of which each has `cpus` CPUs at
/// least. Throws UsageError for what ranks cannot do.
RankPlan plan_of(const CommandLine& line, int ranks, Index cpus);

/// What decides about the rows, as text; the same on ranks that can work together.
std::string statement_of(const CommandLine& line);
/// What differs between two such texts: "--length: '8' there, '16' on rank 0".
std::string statement_differences(const std::string& first, const std::string& other);

/// Gives each rank its share of the CPUs (cpus_of_rank()), to which the calling one keeps from then
/// on. Returns the places of all. All ranks call it.
std::vector<RankCpus> take_cpu_shares(Communicator& ranks);

/// What machine.json tells of them.
nlohmann::ordered_json described(const std::vector<RankCpus>& places, const MessageCosts& costs,
                                 const std::string& library);

/// The sweep of a parsed line, on every rank. Returns the exit code on rank 0, else 0. Throws
/// UsageError, FileError and Interrupted on rank 0, which the other ranks' end does not depend on.
int measure_over_ranks(const CommandLine& line, const RankPlan& plan,
                       const std::vector<RankCpus>& places, Communicator& ranks);

}  // namespace seqbench
