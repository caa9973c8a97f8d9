#include "harness/machine/placement.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/affinity.h"
namespace seqbench {
namespace {

TEST(Placement, KnowsItsCpus) {
  EXPECT_GE(usable_cpus().size(), 1u);
  EXPECT_EQ(default_thread_counts().front(), 1);
}

TEST(Placement, UsesEachCpuOfTheMaskOnceAtMost) {
  const std::set<int> mask(affinity_mask().begin(), affinity_mask().end());
  const std::set<int> usable(usable_cpus().begin(), usable_cpus().end());
  EXPECT_EQ(mask.size(), affinity_mask().size());
  EXPECT_EQ(usable.size(), usable_cpus().size());
  EXPECT_TRUE(std::ranges::includes(mask, usable));
}

TEST(Placement, SaysWhyACpuCannotBePinnedTo) {
  constexpr int kNoSuchCpu = 1 << 19;
  const auto before = allowed_cpus();
  EXPECT_EQ(pinning_problem(usable_cpus()), "");
  EXPECT_EQ(pinning_problem({}), "");
  EXPECT_EQ(pinning_problem({usable_cpus().front(), kNoSuchCpu}), "CPU 524288: Invalid argument");
  EXPECT_EQ(allowed_cpus(), before);
}

TEST(Placement, RunsAsManyThreadsAtATimeAsThereAreCpus) {
  const int all = static_cast<int>(usable_cpus().size());
  EXPECT_EQ(running_workers(1), 1);
  EXPECT_EQ(running_workers(all), all);
  EXPECT_EQ(running_workers(all + 1), all);
  EXPECT_EQ(make_team(all + 1).size(), all + 1);
  EXPECT_EQ(make_team(all + 1).concurrency(), all);
  EXPECT_EQ(make_team(1).cpus(), usable_cpus());
}

TEST(Placement, DefaultsToOneThreadAndOneOnEachCpu) {
  const auto all = static_cast<Index>(usable_cpus().size());
  const std::vector<Index> expected = all == 1 ? std::vector<Index>{1} : std::vector<Index>{1, all};
  EXPECT_EQ(default_thread_counts(), expected);
}

TEST(Placement, ReadsTheTopologyOnce) {
  EXPECT_EQ(&machine_topology(), &machine_topology());
  EXPECT_EQ(machine_topology().cpus, read_topology().cpus);
}

TEST(Placement, ARankKeepsToItsShareOfTheCpus) {
  const std::vector<int> all = usable_cpus();
  keep_to_cpus({all.back()});
  EXPECT_EQ(usable_cpus(), std::vector<int>{all.back()});
  EXPECT_EQ(make_team(2).cpus(), std::vector<int>{all.back()});
  EXPECT_EQ(running_workers(2), 1);
  EXPECT_EQ(default_thread_counts(), std::vector<Index>{1});
  keep_to_cpus(all);
  EXPECT_EQ(usable_cpus(), all);
}

}  // namespace
}  // namespace seqbench
