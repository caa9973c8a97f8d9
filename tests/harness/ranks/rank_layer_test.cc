#include "harness/ranks/rank_layer.h"

#include <gtest/gtest.h>

#include <stdexcept>

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

}  // namespace
}  // namespace seqbench
