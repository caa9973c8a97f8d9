#include "harness/ranks/rank_sweep.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "harness/base/errors.h"
#include "harness/base/utf8.h"
#include "harness/files/run_directory.h"
#include "harness/files/run_identity.h"
#include "harness/machine/build_id.h"
#include "harness/machine/build_info.h"
#include "harness/machine/memory.h"
#include "harness/machine/placement.h"
#include "harness/ranks/mpi_ranks.h"
#include "harness/ranks/rank_layer.h"
#include "harness/ranks/rank_leader.h"
#include "harness/ranks/rank_member.h"
#include "harness/ranks/rank_table.h"
#include "harness/ranks/rank_texts.h"
#include "harness/ranks/strategies.h"
#include "harness/timing/grid.h"
#include "harness/timing/sweep.h"
#include "harness/timing/throughput_rows.h"

namespace seqbench {
namespace {

using Json = nlohmann::ordered_json;

std::vector<std::string> strategy_names() {
  return {std::begin(kStrategyNames), std::end(kStrategyNames)};
}

std::string own_host() {
  char host[256] = "unknown";
  ::gethostname(host, sizeof(host) - 1);
  return utf8_or_escaped(host);
}

/// The options that ranks do not take.
void refuse_other_use(const CommandLine& line, const Grid& grid) {
  if (std::ranges::find(grid.passes, Pass::kDecode) != grid.passes.end()) {
    refuse_option("pass", line.text("pass"), "forward or train with --strategy");
  }
  if (grid.scopes != std::vector<Scope>{Scope::kLayer}) {
    refuse_option("block", line.text("block"), "layer with --strategy");
  }
  if (line.given("processes") && line.text("processes") != "1") {
    refuse_option("processes", line.text("processes"), "1 with --strategy");
  }
}

}  // namespace

void add_strategy_option(CommandLine& line) {
  line.option("strategy", "",
              "under mpirun: how ranks share out each case, data (sequences of the batch) or "
              "sequence (steps of every sequence); --threads are those of a rank");
}

void refuse_strategy(const CommandLine& line) {
  if (!line.given("strategy")) return;
  const std::string strategy = line.name("strategy", strategy_names());
  refuse_option("strategy", strategy,
                has_mpi() ? "a start by mpirun, as in mpirun -n 2 seqbench throughput "
                            "--strategy " +
                                strategy
                          : "none in this build, which has no MPI (scripts/bootstrap --mpi, then "
                            "cmake -DSEQBENCH_MPI=ON)");
}

RankPlan plan_of(const CommandLine& line, int ranks, Index cpus) {
  RankPlan plan;
  const std::string strategy = line.name("strategy", strategy_names());
  Grid grid = parse_grid(line);
  if (!line.given("threads")) grid.threads = {cpus};
  refuse_other_use(line, grid);
  plan.options = parse_measure_options(line);
  plan.options.processes = 1;
  plan.groups = groups_of(parse_shard(line), expand(grid));
  for (CaseGroup& group : plan.groups) {
    for (Case& one : group.cases) {
      one.ranks = ranks;
      one.strategy = strategy;
      const std::string reason =
          reason_against(one.layer, strategy_called(strategy), one.shape, ranks);
      if (!reason.empty()) {
        refuse_option(
            "strategy", strategy,
            "what all cases allow; of " + one.layer.model + ", " + group.label + ": " + reason);
      }
    }
  }
  return plan;
}

std::string statement_of(const CommandLine& line) {
  Json record = command_record("throughput", line);
  // They lead to the same rows, and rank 0 alone writes.
  for (const char* option : {"resume", "no-progress", "config"}) record["options"].erase(option);
  record["build"] = {{"version", kVersion}, {"git_commit", kGitCommit}, {"id", build_id()}};
  return record.dump();
}

std::string statement_differences(const std::string& first, const std::string& other) {
  const Json now = Json::parse(first), then = Json::parse(other);
  if (now.at("build") != then.at("build")) {
    return "build '" + then.at("build").at("id").get<std::string>() + "' there, '" +
           now.at("build").at("id").get<std::string>() + "' on rank 0";
  }
  return listed(command_differences(then, now), {.first = "there", .second = "on rank 0"});
}

std::vector<RankCpus> take_cpu_shares(Communicator& ranks) {
  const auto places_of_all = [&] {
    std::vector<RankCpus> places;
    const Json own = {{"host", own_host()}, {"cpus", usable_cpus()}};
    for (const std::string& text : texts_of_all(ranks, own.dump())) {
      const Json place = Json::parse(text);
      places.push_back({.host = place.at("host"), .cpus = place.at("cpus")});
    }
    return places;
  };
  keep_to_cpus(cpus_of_rank(places_of_all(), ranks.rank(), machine_topology()));
  return places_of_all();
}

Json described(const std::vector<RankCpus>& places, const MessageCosts& costs,
               const std::string& library) {
  Json each = Json::array();
  for (std::size_t r = 0; r < places.size(); ++r) {
    each.push_back({{"rank", r}, {"host", places[r].host}, {"cpus", places[r].cpus}});
  }
  Json ranks = {{"count", places.size()}, {"library", library}, {"places", each}};
  if (costs.is_known()) {
    ranks["messages"] = {{"latency_seconds", costs.latency_seconds()},
                         {"bytes_per_second", costs.bytes_per_second()},
                         {"one_at_a_time", as_json(costs.alone)},
                         {"ring_shift", as_json(costs.shift)}};
  }
  return ranks;
}

int measure_over_ranks(const CommandLine& line, const RankPlan& plan,
                       const std::vector<RankCpus>& places, Communicator& ranks) {
  std::vector<Case> cases;
  for (const CaseGroup& group : plan.groups) {
    cases.insert(cases.end(), group.cases.begin(), group.cases.end());
  }
  // Ranks on one host share its memory.
  const double share = usable_memory_bytes() / ranks_on_host_of(places, ranks.rank());
  const RankOptions options = {
      .seed = plan.options.seed,
      .min_seconds = plan.options.min_seconds,
      .memory_limit_bytes = std::min(share, plan.options.memory_limit_bytes)};
  RankMember member(ranks, cases, options);
  if (ranks.rank() != 0) {
    member.follow();
    return 0;
  }
  RankLeader leader(member, options);
  RunDirectory directory(line, {kThroughputFile, kSamplesFile, kRanksFile});
  RankTable table(directory);
  const Json about = described(places, leader.message_costs(), mpi_library());
  const std::string crowded = crowding(places);
  if (!crowded.empty()) std::printf("%s\n", crowded.c_str());
  const int code = run_sweep(
      {.command = "throughput",
       .groups = plan.groups,
       .line = line,
       .options = plan.options,
       .directory = directory,
       .others = leader.as_other_processes(),
       .ranks = &about,
       .doubt = crowded,
       .on_finished = [&](const std::vector<Measurement>& group) { table.add(group, leader); }});
  directory.record_end(code);
  std::printf("\n%s\n", directory.path().c_str());
  return code;
}

}  // namespace seqbench
