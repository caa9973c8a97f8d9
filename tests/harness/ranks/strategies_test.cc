#include "harness/ranks/strategies.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "harness/ranks/local_communicator.h"

namespace seqbench {
namespace {

TEST(Strategies, MoreRanksThanSequencesAreRefused) {
  for (const std::string& model : model_names()) {
    const LayerSpec spec{.model = model, .kernel = model_info(model).default_kernel, .width = 4};
    EXPECT_EQ(reason_against(spec, Strategy::kData, {.batch = 2, .steps = 9}, 3),
              "2 sequences for 3 ranks");
    EXPECT_EQ(reason_against(spec, Strategy::kData, {.batch = 3, .steps = 1}, 3), "");
  }
}

TEST(Strategies, ARankAloneHasTheWholeCase) {
  run_local_ranks(1, [](Communicator& ranks) {
    const LayerSpec spec{.model = "gru", .kernel = "persistent", .width = 4};
    const auto layer = make_rank_layer<double>(spec, Strategy::kData, ranks);
    layer->reserve({.batch = 2, .steps = 3}, Pass::kForward, 1);
    EXPECT_EQ(layer->share().shape().batch, 2);
    EXPECT_EQ(layer->share().shape().steps, 3);
    EXPECT_EQ(layer->parameters().size(), 4u);
  });
}

TEST(Strategies, EveryModelSharesOutTheStepsOfItsSequences) {
  for (const std::string& model : model_names()) {
    const LayerSpec spec{
        .model = model, .kernel = model_info(model).default_kernel, .width = 4, .heads = 2};
    EXPECT_EQ(reason_against(spec, Strategy::kSequence, {.batch = 1, .steps = 2}, 3),
              "2 steps for 3 ranks");
    EXPECT_EQ(reason_against(spec, Strategy::kSequence, {.batch = 1, .steps = 3}, 3), "");
    run_local_ranks(3, [&](Communicator& ranks) {
      const auto layer = make_rank_layer<float>(spec, Strategy::kSequence, ranks);
      layer->reserve({.batch = 1, .steps = 12}, Pass::kForward, 1);
      EXPECT_EQ(layer->share().shape().batch, 1);
      EXPECT_EQ(layer->share().shape().steps, 4);
    });
  }
}

TEST(Strategies, AKernelWithoutTheStrategyIsRefused) {
  for (const auto& [model, kernel] : {std::pair("attention", "naive"), std::pair("lstm", "hoisted"),
                                      std::pair("mingru", "stepwise")}) {
    const LayerSpec spec{.model = model, .kernel = kernel, .width = 4};
    EXPECT_NE(reason_against(spec, Strategy::kSequence, {.batch = 1, .steps = 9}, 2), "");
    EXPECT_EQ(reason_against(spec, Strategy::kData, {.batch = 2, .steps = 9}, 2), "");
  }
}

}  // namespace
}  // namespace seqbench
