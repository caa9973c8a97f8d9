#include "harness/machine/topology.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace seqbench {
namespace {

/// hwloc's own replacement for the machine, as long as it exists.
struct Synthetic {
  explicit Synthetic(const char* description) { ::setenv("HWLOC_SYNTHETIC", description, 1); }
  ~Synthetic() { ::unsetenv("HWLOC_SYNTHETIC"); }
};

TEST(Topology, CountsPackagesCoresAndCaches) {
  const Synthetic machine("pack:2 l3:1(size=4194304) l2:2(size=262144) core:1 pu:2");
  const Topology topology = read_topology();
  EXPECT_EQ(topology.packages, 2);
  EXPECT_EQ(topology.cores, 4);
  EXPECT_EQ(topology.cpus, 8);
  ASSERT_EQ(topology.caches.size(), 2u);
  EXPECT_EQ(topology.caches[0].level, 2);
  EXPECT_EQ(topology.caches[0].count, 4);
  EXPECT_EQ(topology.caches[0].bytes, 262144);
  EXPECT_EQ(topology.caches[0].first_cpus, "0-1");
  EXPECT_EQ(topology.caches[1].first_cpus, "0-3");
}

TEST(Topology, AMachineThatTellsOfItsCpusOnlyHasNoCoresAndNoCaches) {
  const Synthetic machine("pu:3");
  const Topology topology = read_topology();
  EXPECT_EQ(topology.cpus, 3);
  EXPECT_EQ(topology.cores, 0);
  EXPECT_TRUE(topology.caches.empty());
  EXPECT_EQ(spread_over_cores({0, 1, 2}, topology), (std::vector<int>{0, 1, 2}));
}

TEST(Topology, SpreadTakesOneCpuOfEachCoreFirst) {
  const Topology topology{.caches = {}, .cpus_of_cores = {{0, 1}, {2, 3}, {4, 5}}};
  EXPECT_EQ(spread_over_cores({0, 1, 2, 3, 4, 5}, topology), (std::vector<int>{0, 2, 4, 1, 3, 5}));
  EXPECT_EQ(spread_over_cores({1, 4, 5, 9}, topology), (std::vector<int>{1, 4, 9, 5}));
  EXPECT_EQ(spread_over_cores({}, topology), std::vector<int>{});
}

TEST(Topology, ReadsThisMachine) { EXPECT_GE(read_topology().cpus, 1); }

}  // namespace
}  // namespace seqbench
