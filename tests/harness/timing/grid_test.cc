#include "harness/timing/grid.h"

#include <gtest/gtest.h>

#include <set>

#include "harness/base/errors.h"
#include "harness/timing/case.h"

namespace seqbench {
namespace {

Grid grid_of(const std::vector<std::string>& arguments) {
  CommandLine line("sample", "", "", "");
  add_grid_options(line, "512");
  add_scope_options(line);
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

TEST(Grid, GroupsComparableCasesAndUsesTheFastestKernels) {
  const std::vector<CaseGroup> groups =
      expand(grid_of({"--length", "64,128", "--threads", "1,2", "--pass", "train"}));
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].cases.size(), 10u);  // five models, two numbers of threads
  EXPECT_EQ(groups[0].label, "train B=1 T=64 D=256");
  for (const Case& one : groups[0].cases) {
    EXPECT_EQ(one.layer.kernel, model_info(one.layer.model).default_kernel);
  }
}

TEST(Grid, IsTheSameAgainFromItsOwnWords) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{},
        {"--model",  "gru,attention", "--kernel", "hoisted,naive", "--variant", "chrono,default",
         "--pass",   "decode,train",  "--batch",  "1,3",           "--length",  "64..256",
         "--width",  "16,32",         "--heads",  "2,4",           "--threads", "1,2",
         "--causal", "--max-tokens",  "300"},
        {"--block", "model,layer", "--layers", "3", "--match", "parameters,width"},

        {"--dtype", "bfloat16,float32", "--pass", "forward"}}) {
    const Grid grid = grid_of(arguments);
    EXPECT_EQ(ids_of(expand(grid_of(grid_words(grid)))), ids_of(expand(grid)));
  }
}

TEST(Grid, TakesBlocksAndModelsAndWidthsOfEqualParameters) {
  const auto ids = ids_of(
      expand(grid_of({"--model", "gru,attention", "--pass", "forward", "--threads", "1", "--width",
                      "128", "--block", "layer,model", "--match", "width,parameters"})));
  // A GRU's layer has 6 · D² weights where attention's has 4 · D², its block 14 to 12.
  EXPECT_EQ(ids, (std::vector<std::string>{
                     "gru:persistent:forward:B1:T512:D128:H-:t1",
                     "attention:fused:forward:B1:T512:D128:H4:t1",
                     "gru:persistent:forward:B1:T512:D104:H-:t1:parameters128",
                     "attention:fused:forward:B1:T512:D128:H4:t1:parameters128",
                     "gru:persistent:forward:B1:T512:D128:H-:t1:model2",
                     "attention:fused:forward:B1:T512:D128:H4:t1:model2",
                     "gru:persistent:forward:B1:T512:D118:H-:t1:model2:parameters128",
                     "attention:fused:forward:B1:T512:D128:H4:t1:model2:parameters128"}));
}

TEST(Grid, AppliesAKernelToTheModelsThatHaveIt) {
  const auto ids =
      ids_of(expand(grid_of({"--model", "gru,attention", "--kernel", "stepwise,hoisted", "--pass",
                             "forward", "--threads", "1"})));
  EXPECT_EQ(ids, (std::vector<std::string>{"gru:stepwise:forward:B1:T512:D256:H-:t1",
                                           "gru:hoisted:forward:B1:T512:D256:H-:t1",
                                           "attention:fused:forward:B1:T512:D256:H4:t1"}));
}

TEST(Grid, AppliesAStartToTheModelsThatHaveIt) {
  const auto ids =
      ids_of(expand(grid_of({"--model", "elman,gru,attention", "--variant", "default,chrono",
                             "--pass", "forward", "--threads", "1"})));
  EXPECT_EQ(ids, (std::vector<std::string>{"elman:persistent:forward:B1:T512:D256:H-:t1",
                                           "gru:persistent:forward:B1:T512:D256:H-:t1",
                                           "gru:persistent:forward:B1:T512:D256:H-:t1:chrono",
                                           "attention:fused:forward:B1:T512:D256:H4:t1"}));
  EXPECT_THROW(grid_of({"--variant", "learned"}), UsageError);
}

TEST(Grid, AppliesBfloat16ToTheKernelsThatHaveIt) {
  const auto ids = [](const std::vector<std::string>& arguments) {
    std::vector<std::string> words = {"--threads", "1", "--model", "lstm,mingru,attention"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    return ids_of(expand(grid_of(words)));
  };
  EXPECT_EQ(ids({"--dtype", "bfloat16", "--pass", "forward"}),
            (std::vector<std::string>{"lstm:persistent:forward:B1:T512:D256:H-:t1:bfloat16",
                                      "mingru:scan:forward:B1:T512:D256:H-:t1:bfloat16",
                                      "attention:fused:forward:B1:T512:D256:H4:t1:bfloat16"}));
  EXPECT_EQ(ids({"--dtype", "float32,bfloat16"}).size(), 4u * 3);
  EXPECT_EQ(ids({"--dtype", "float32,bfloat16", "--kernel", "hoisted"}).size(), 4u * 3 - 2);
  EXPECT_EQ(ids({"--dtype", "bfloat16", "--pass", "decode"}).size(), 3u);
  EXPECT_THROW(ids({"--dtype", "bfloat16", "--kernel", "naive,stepwise"}), UsageError);
  EXPECT_THROW(ids({"--dtype", "float16"}), UsageError);
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

TEST(Grid, CasesAreThoseOfTheGroupsInTheirOrder) {
  const Grid grid = grid_of({"--length", "64,128", "--threads", "1,2"});
  std::vector<std::string> ids;
  for (const Case& one : expand_cases(grid)) ids.push_back(one.id());
  EXPECT_EQ(ids.size(), 5u * 2 * 2 * 2);  // models, threads, lengths, passes
  EXPECT_EQ(ids, ids_of(expand(grid)));
}

}  // namespace
}  // namespace seqbench
