#include "harness/ranks/strategies.h"

#include <gtest/gtest.h>

#include <string>

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

}  // namespace
}  // namespace seqbench
