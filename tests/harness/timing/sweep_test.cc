#include "harness/timing/sweep.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "harness/base/errors.h"
#include "harness/timing/grid.h"

namespace seqbench {
namespace {

std::vector<CaseGroup> groups_over_lengths(const std::vector<Index>& threads) {
  Grid grid;
  grid.models = {"lstm", "attention"};
  grid.starts = {"default"};
  grid.passes = {Pass::kForward, Pass::kTrain};
  grid.batches = {1};
  grid.lengths = {64, 128, 256, 512, 1024, 2048, 4096, 8192};
  grid.widths = {256};
  grid.heads = {4};
  grid.threads = threads;
  return expand(grid);
}

std::vector<std::string> labels_of(const std::vector<CaseGroup>& groups) {
  std::vector<std::string> labels;
  for (const CaseGroup& group : groups) labels.push_back(group.label);
  return labels;
}

double flops_of(const std::vector<CaseGroup>& groups) {
  double flops = 0;
  for (const CaseGroup& group : groups) {
    for (const Case& one : group.cases) flops += one.cost().flops;
  }
  return flops;
}

TEST(Shard, SharesHaveEveryGroupOnce) {
  const std::vector<CaseGroup> groups = groups_over_lengths({1, 2});
  for (const Index count : {1, 2, 3, 7, 16}) {
    std::multiset<std::string> all;
    for (Index index = 1; index <= count; ++index) {
      const std::vector<CaseGroup> share = groups_of({index, count}, groups);
      EXPECT_FALSE(share.empty());
      for (const std::string& label : labels_of(share)) all.insert(label);
    }
    const std::vector<std::string> labels = labels_of(groups);
    EXPECT_EQ(all, std::multiset<std::string>(labels.begin(), labels.end())) << count;
  }
}

TEST(Shard, TheWholeKeepsItsOrder) {
  const std::vector<CaseGroup> groups = groups_over_lengths({1});
  EXPECT_EQ(labels_of(groups_of({}, groups)), labels_of(groups));
}

TEST(Shard, SharesCostMuchTheSame) {
  const std::vector<CaseGroup> groups = groups_over_lengths({1});
  const double first = flops_of(groups_of({1, 2}, groups));
  const double second = flops_of(groups_of({2, 2}, groups));
  // The costliest group, training of 8,192 tokens, is more than half of all.
  EXPECT_GT(first, flops_of(groups) / 2);
  EXPECT_GT(second, flops_of(groups) / 4);
}

TEST(Shard, DoesNotDependOnTheNumbersOfThreads) {
  const auto of_machine = [](const std::vector<Index>& threads) {
    return labels_of(groups_of({2, 3}, groups_over_lengths(threads)));
  };
  EXPECT_EQ(of_machine({1}), of_machine({1, 2}));
  EXPECT_EQ(of_machine({1}), of_machine({1, 48, 96}));
}

TEST(Shard, BeyondTheGroupsThereIsNone) {
  const std::vector<CaseGroup> groups = groups_over_lengths({1});
  EXPECT_NO_THROW(groups_of({16, 16}, groups));
  EXPECT_THROW(groups_of({17, 17}, groups), UsageError);
  EXPECT_THROW(groups_of({1000000000, 2000000000}, groups), UsageError);
}

}  // namespace
}  // namespace seqbench
