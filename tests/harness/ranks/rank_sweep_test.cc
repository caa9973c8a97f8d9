#include "harness/ranks/rank_sweep.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "harness/base/errors.h"
#include "harness/machine/placement.h"
#include "harness/ranks/local_communicator.h"
#include "harness/timing/sweep.h"

namespace seqbench {
namespace {

CommandLine line_of(const std::vector<std::string>& arguments) {
  CommandLine line("throughput", "", "", "");
  add_sweep_options(line, "512");
  add_strategy_option(line);
  line.parse(arguments);
  return line;
}

std::string refusal(std::vector<std::string> arguments, int ranks = 2) {
  try {
    plan_of(line_of(arguments), ranks, 1);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST(RankSweep, PlansTheGridsCasesForItsRanks) {
  const RankPlan plan =
      plan_of(line_of({"--strategy", "data", "--model", "gru,attention", "--batch", "4,8"}), 3, 2);
  EXPECT_EQ(plan.options.processes, 1);
  ASSERT_EQ(plan.groups.size(), 4u);
  for (const CaseGroup& group : plan.groups) {
    ASSERT_EQ(group.cases.size(), 2u);  // one number of threads: a rank's CPUs
    for (const Case& one : group.cases) {
      EXPECT_EQ(one.ranks, 3);
      EXPECT_EQ(one.strategy, "data");
      EXPECT_EQ(one.threads, 2);
      EXPECT_TRUE(one.id().ends_with(":ranks3:data")) << one.id();
    }
  }
  EXPECT_EQ(plan_of(line_of({"--strategy", "data", "--batch", "2", "--threads", "1,3"}), 2, 1)
                .groups.front()
                .cases.front()
                .threads,
            1);
}

TEST(RankSweep, RefusesWhatRanksCannotDo) {
  for (const auto& [arguments, part] :
       std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"--strategy", "tensor"}, "'tensor' is not allowed; expected"},
           {{"--strategy", "data", "--batch", "1"}, "1 sequences for 2 ranks"},
           {{"--strategy", "sequence", "--length", "1"}, "1 steps for 2 ranks"},
           {{"--strategy", "sequence", "--kernel", "naive"}, "kernel fused alone, not naive"},
           {{"--strategy", "data", "--batch", "2", "--pass", "decode"}, "--pass: 'decode'"},
           {{"--strategy", "data", "--batch", "2", "--block", "model"}, "--block: 'model'"},
           {{"--strategy", "data", "--batch", "2", "--processes", "3"}, "--processes: '3'"},
       }) {
    EXPECT_NE(refusal(arguments).find(part), std::string::npos) << refusal(arguments);
  }
  EXPECT_EQ(refusal({"--strategy", "data", "--batch", "2", "--processes", "1"}), "");
}

TEST(RankSweep, WithoutALauncherAStrategyIsRefused) {
  EXPECT_NO_THROW(refuse_strategy(line_of({})));
  EXPECT_THROW(refuse_strategy(line_of({"--strategy", "data"})), UsageError);
  EXPECT_THROW(refuse_strategy(line_of({"--strategy", "tensor"})), UsageError);
}

TEST(RankSweep, StatementsTellWhatLeadsToOtherRows) {
  const auto statement = [](std::vector<std::string> more) {
    more.insert(more.begin(), {"--strategy", "data"});
    return statement_of(line_of(more));
  };
  EXPECT_EQ(statement({}), statement({"--out", "elsewhere", "--resume", "--no-progress"}));
  const std::string other = statement({"--length", "16"});
  EXPECT_NE(statement({}), other);
  EXPECT_EQ(statement_differences(statement({}), other), "--length: '16' there, '512' on rank 0");
  std::string other_build = statement({});
  other_build.replace(other_build.find("\"id\":\"") + 6, 1, "?");
  EXPECT_NE(statement_differences(statement({}), other_build).find("build"), std::string::npos);
}

TEST(RankSweep, DescribesPlacesAndMessages) {
  const std::vector<RankCpus> places = {{"a", {0, 1}}, {"b", {2}}};
  const auto told = described(places, {.alone = {{8, 1e-6}, {16, 2e-6}}, .shift = {{8, 3e-6}}},
                              "Open MPI v4.1.4");
  EXPECT_EQ(told.at("count"), 2);
  EXPECT_EQ(told.at("library"), "Open MPI v4.1.4");
  EXPECT_EQ(told.at("places").at(1).at("host"), "b");
  EXPECT_EQ(told.at("places").at(0).at("cpus"), (std::vector<int>{0, 1}));
  EXPECT_EQ(told.at("messages").at("latency_seconds"), 1e-6);
  EXPECT_EQ(told.at("messages").at("ring_shift").at(0).at("seconds"), 3e-6);
  EXPECT_FALSE(described(places, {}, "").contains("messages"));
}

TEST(RankSweep, ARankAloneKeepsItsCpus) {
  const std::vector<int> before = usable_cpus();
  run_local_ranks(1, [&](Communicator& ranks) {
    const std::vector<RankCpus> places = take_cpu_shares(ranks);
    ASSERT_EQ(places.size(), 1u);
    EXPECT_EQ(places.front().cpus, before);
    EXPECT_FALSE(places.front().host.empty());
  });
  EXPECT_EQ(usable_cpus(), before);
}

}  // namespace
}  // namespace seqbench
