#include "harness/timing/case.h"

#include <gtest/gtest.h>

#include <set>

#include "harness/base/errors.h"
#include "harness/timing/grid.h"
#include "harness/timing/workload.h"

namespace seqbench {
namespace {

Grid grid_of(const std::vector<std::string>& arguments) {
  CommandLine line("sample", "", "", "");
  add_grid_options(line, "512");
  line.parse(arguments);
  return parse_grid(line);
}

std::vector<std::string> ids_of(const std::vector<CaseGroup>& groups) {
  std::vector<std::string> ids;
  for (const CaseGroup& group : groups) {
    for (const Case& one : group.cases) ids.push_back(one.id());
  }
  return ids;
}

TEST(CaseId, IsReadable) {
  const Case lstm{.layer = {.model = "lstm", .kernel = "hoisted", .width = 256},
                  .pass = Pass::kTrain,
                  .shape = {.batch = 1, .steps = 512},
                  .threads = 2};
  EXPECT_EQ(lstm.id(), "lstm:hoisted:train:B1:T512:D256:H-:t2");
  const Case attention{
      .layer = {.model = "attention", .kernel = "fused", .heads = 4, .causal = true},
      .pass = Pass::kForward,
      .shape = {.batch = 16, .steps = 64}};
  EXPECT_EQ(attention.id(), "attention:fused:forward:B16:T64:D256:H4:causal:t1");
}

TEST(Grid, GroupsComparableCasesAndUsesTheFastestKernels) {
  const std::vector<CaseGroup> groups =
      expand(grid_of({"--length", "64,128", "--threads", "1,2", "--pass", "train"}));
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].cases.size(), 8u);  // four models, two numbers of threads
  EXPECT_EQ(groups[0].label, "train B=1 T=64 D=256");
  for (const Case& one : groups[0].cases) {
    EXPECT_EQ(one.layer.kernel, model_info(one.layer.model).default_kernel);
  }
}

TEST(Grid, AppliesAKernelToTheModelsThatHaveIt) {
  const auto ids =
      ids_of(expand(grid_of({"--model", "gru,attention", "--kernel", "stepwise,hoisted", "--pass",
                             "forward", "--threads", "1"})));
  EXPECT_EQ(ids, (std::vector<std::string>{"gru:stepwise:forward:B1:T512:D256:H-:t1",
                                           "gru:hoisted:forward:B1:T512:D256:H-:t1",
                                           "attention:fused:forward:B1:T512:D256:H4:t1"}));
}

TEST(Grid, DoesNotRepeatRecurrentModelsForHeads) {
  const auto ids = ids_of(expand(grid_of({"--heads", "1,2,4", "--model", "lstm,attention",
                                          "--threads", "1", "--pass", "forward", "--causal"})));
  EXPECT_EQ(ids.size(), 4u);
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), ids.size());
}

TEST(Grid, LeavesOutCombinationsAboveMaxTokens) {
  const auto groups = expand(grid_of(
      {"--batch", "1,16", "--length", "64..8192", "--max-tokens", "16384", "--pass", "forward"}));
  ASSERT_EQ(groups.size(), 8u + 5u);  // up to 8192 at batch 1, to 1024 at batch 16
  EXPECT_EQ(groups.back().label, "forward B=16 T=1024 D=256");
  EXPECT_THROW(expand(grid_of({"--length", "64", "--max-tokens", "8"})), UsageError);
}

TEST(Grid, RefusesHeadsThatDoNotDivideTheWidth) {
  EXPECT_THROW(expand(grid_of({"--heads", "3"})), UsageError);
  EXPECT_NO_THROW(expand(grid_of({"--heads", "3", "--model", "lstm"})));
  EXPECT_NO_THROW(expand(grid_of({"--heads", "3", "--width", "48"})));
}

TEST(Case, CountsTokensByThePass) {
  Case one{.layer = {.model = "gru", .kernel = "hoisted"}, .shape = {.batch = 3, .steps = 7}};
  EXPECT_EQ(one.tokens(), 21);
  one.pass = Pass::kDecode;
  EXPECT_EQ(one.tokens(), 3);
}

TEST(Case, DeclaresTheConventionalWork) {
  const double B = 2, T = 32, D = 16;
  Case one{.layer = {.model = "lstm", .kernel = "hoisted", .width = 16},
           .shape = {.batch = 2, .steps = 32}};
  EXPECT_EQ(one.cost().flops, 16 * B * T * D * D);
  one.layer = {.model = "gru", .kernel = "stepwise", .width = 16};
  EXPECT_EQ(one.cost().flops, 12 * B * T * D * D);
  one.layer = {.model = "elman", .kernel = "hoisted", .width = 16};
  one.pass = Pass::kTrain;
  EXPECT_EQ(one.cost().flops, 3 * 4 * B * T * D * D);
  one.layer = {.model = "attention", .kernel = "fused", .width = 16, .heads = 2};
  EXPECT_EQ(one.cost().flops, 3 * (8 * B * T * D * D + 4 * B * T * T * D));
  one.layer.causal = true;
  one.pass = Pass::kForward;
  EXPECT_EQ(one.cost().flops, 8 * B * T * D * D + 2 * B * T * (T + 1) * D);
}

TEST(Case, PredictsTheNaiveScoreMatrixWithoutAllocatingIt) {
  const Case one{.layer = {.model = "attention", .kernel = "naive", .heads = 4},
                 .shape = {.batch = 1, .steps = 131072}};
  const double T = 131072;
  EXPECT_GE(one.predicted_bytes(), 4 * T * T * 4);
  EXPECT_LE(one.predicted_bytes(), 1.1 * 4 * T * T * 4);
}

}  // namespace
}  // namespace seqbench
