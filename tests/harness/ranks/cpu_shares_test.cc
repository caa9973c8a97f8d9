#include "harness/ranks/cpu_shares.h"

#include <gtest/gtest.h>

namespace seqbench {
namespace {

using Cpus = std::vector<int>;

// Four cores of two CPUs each: 0 and 4, 1 and 5, …
const Topology kFourCores{
    .cores = 4, .cpus = 8, .caches = {}, .cpus_of_cores = {{0, 4}, {1, 5}, {2, 6}, {3, 7}}};
const Cpus kAll = {0, 1, 2, 3, 4, 5, 6, 7};

/// What the ranks of one host get that may all use the same CPUs; also looks for CPUs given twice.
std::vector<Cpus> shares(int ranks, const Cpus& cpus, const Topology& topology = kFourCores) {
  std::vector<RankCpus> places(std::size_t(ranks), {.host = "a", .cpus = cpus});
  std::vector<Cpus> all;
  for (int r = 0; r < ranks; ++r) all.push_back(cpus_of_rank(places, r, topology));
  for (int r = 0; r < ranks; ++r) places[std::size_t(r)].cpus = all[std::size_t(r)];
  EXPECT_EQ(crowding(places).empty(), std::size_t(ranks) <= cpus.size());
  return all;
}

TEST(CpuShares, ARankAloneHasAll) { EXPECT_EQ(shares(1, kAll), (std::vector<Cpus>{kAll})); }

TEST(CpuShares, RanksTakeWholeCoresWhileThereIsOneForEach) {
  EXPECT_EQ(shares(2, kAll), (std::vector<Cpus>{{0, 1, 4, 5}, {2, 3, 6, 7}}));
  EXPECT_EQ(shares(3, kAll), (std::vector<Cpus>{{0, 1, 4, 5}, {2, 6}, {3, 7}}));
  EXPECT_EQ(shares(4, kAll), (std::vector<Cpus>{{0, 4}, {1, 5}, {2, 6}, {3, 7}}));
}

TEST(CpuShares, ThenCpusOfTheSameCore) {
  EXPECT_EQ(shares(8, kAll), (std::vector<Cpus>{{0}, {4}, {1}, {5}, {2}, {6}, {3}, {7}}));
  EXPECT_EQ(shares(5, kAll), (std::vector<Cpus>{{0, 4}, {1, 5}, {2, 6}, {3}, {7}}));
}

TEST(CpuShares, MoreRanksThanCpusTakeThemInTurnAndSaySo) {
  EXPECT_EQ(shares(5, {2, 6}), (std::vector<Cpus>{{2}, {6}, {2}, {6}, {2}}));
  EXPECT_EQ(
      crowding({{"a", {2}}, {"a", {6}}, {"a", {2}}}),
      "3 ranks share 2 CPUs and wait for each other; start fewer ranks, or give each a CPU of "
      "its own");
}

TEST(CpuShares, CpusOfUnknownCoresAreSharedOutAllTheSame) {
  EXPECT_EQ(shares(2, {0, 1, 2}, {}), (std::vector<Cpus>{{0, 1}, {2}}));
}

TEST(CpuShares, WhatALauncherBoundStays) {
  const std::vector<RankCpus> places = {{"a", {0, 4}}, {"a", {2, 6}}, {"b", {0, 4}}};
  for (int r = 0; r < 3; ++r) {
    EXPECT_EQ(cpus_of_rank(places, r, kFourCores), places[std::size_t(r)].cpus);
  }
  EXPECT_EQ(crowding(places), "");  // the same numbers on two hosts
}

TEST(CpuShares, RanksBoundToTheSamePackageShareItOut) {
  const std::vector<RankCpus> places = {{"a", {0, 1}}, {"a", {2, 3}}, {"a", {1, 0}}, {"b", {0, 1}}};
  EXPECT_EQ(cpus_of_rank(places, 0, kFourCores), (Cpus{0}));
  EXPECT_EQ(cpus_of_rank(places, 2, kFourCores), (Cpus{1}));  // in the order of the first
  EXPECT_EQ(cpus_of_rank(places, 1, kFourCores), (Cpus{2, 3}));
  EXPECT_EQ(cpus_of_rank(places, 3, kFourCores), (Cpus{0, 1}));
}

TEST(CpuShares, RanksAreCountedByHost) {
  const std::vector<RankCpus> places = {{"a", {0}}, {"b", {0}}, {"a", {1}}};
  EXPECT_EQ(ranks_on_host_of(places, 0), 2);
  EXPECT_EQ(ranks_on_host_of(places, 1), 1);
}

}  // namespace
}  // namespace seqbench
