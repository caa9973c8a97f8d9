#include "harness/ranks/rank_layer.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "harness/ranks/local_communicator.h"

namespace seqbench {
namespace {

TEST(RankLayer, StrategiesHaveNames) {
  EXPECT_STREQ(strategy_name(Strategy::kData), "data");
  EXPECT_STREQ(strategy_name(Strategy::kSequence), "sequence");
  EXPECT_EQ(strategy_called("data"), Strategy::kData);
  EXPECT_EQ(strategy_called("sequence"), Strategy::kSequence);
  EXPECT_THROW(strategy_called("tensor"), std::invalid_argument);
}

TEST(RankLayer, AShareHasTheStepsOfAllItsParts) {
  const RankShare share{.batch = {2, 3}, .steps = {{0, 4}, {20, 5}}};
  EXPECT_EQ(share.shape().batch, 3);
  EXPECT_EQ(share.shape().steps, 9);
}

TEST(RankLayer, MoreRanksThanSequencesAreRefused) {
  for (const std::string& model : model_names()) {
    const LayerSpec spec{.model = model, .kernel = model_info(model).default_kernel, .width = 4};
    EXPECT_EQ(reason_against(spec, Strategy::kData, {.batch = 2, .steps = 9}, 3),
              "2 sequences for 3 ranks");
    EXPECT_EQ(reason_against(spec, Strategy::kData, {.batch = 3, .steps = 1}, 3), "");
  }
}

TEST(RankLayer, ARankAloneHasTheWholeCase) {
  run_local_ranks(1, [](Communicator& ranks) {
    const LayerSpec spec{.model = "gru", .kernel = "persistent", .width = 4};
    const auto layer = make_rank_layer<double>(spec, Strategy::kData, ranks);
    layer->reserve({.batch = 2, .steps = 3}, Pass::kForward, 1);
    EXPECT_EQ(layer->share().shape().batch, 2);
    EXPECT_EQ(layer->share().shape().steps, 3);
    EXPECT_EQ(layer->parameters().size(), 4u);
  });
}

}  // namespace
}  // namespace seqbench
