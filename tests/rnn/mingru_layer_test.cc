#include "rnn/mingru_layer.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "tests/test_data.h"

namespace seqbench {
namespace {

// What every recurrent layer has is tested in recurrent_layer_test.cc and
// recurrent_buffers_test.cc.

TEST(MinGruLayer, HasTheParametersOfItsDesign) {
  constexpr Index D = 64;
  const auto layer = make_mingru<float>({.width = D});
  Random random(1);
  layer->initialise(random);
  const auto parameters = layer->parameters();
  ASSERT_EQ(parameters.size(), 2u);
  EXPECT_EQ(parameters[0].name, "weight_ih_l0");
  EXPECT_EQ(parameters[0].value.shape(), (std::vector<Index>{2 * D, D}));
  EXPECT_EQ(parameters[1].name, "bias_ih_l0");
  EXPECT_EQ(parameters[1].value.shape(), (std::vector<Index>{2 * D}));
  for (const auto& parameter : parameters) {
    EXPECT_LE(max_abs(parameter.value.values()), 0.125);  // 1/√64
    // All of n ≥ 128 uniform draws lie below 0.8 of their bound once in 10¹² seeds.
    EXPECT_GT(max_abs(parameter.value.values()), 0.8 * 0.125);
  }
}

TEST(MinGruLayer, InferenceByScanHoldsNoGates) {
  const MinGruOptions options{.width = 64};
  const auto bytes = [&](Index steps) {
    return mingru_cost<float>(options, {2, steps}, Pass::kForward, 1).workspace_bytes;
  };
  EXPECT_EQ(bytes(100'000), bytes(1));
}

TEST(MinGruLayer, NamesItsForm) {
  const MinGruOptions scan{.width = 256}, stepwise{.width = 256, .kernel = MinGruKernel::kStepwise};
  EXPECT_EQ(mingru_form(scan, {1, 512}, Pass::kForward, 1), "sequences/1");
  EXPECT_EQ(mingru_form(scan, {1, 512}, Pass::kTrain, 2), "units/2");
  EXPECT_EQ(mingru_form(scan, {3, 512}, Pass::kTrain, 2), "units/2 sequences/3");
  EXPECT_EQ(mingru_form(scan, {16, 512}, Pass::kForward, 2), "sequences/16");
  EXPECT_EQ(mingru_form(scan, {16, 512}, Pass::kDecode, 2), "");
  EXPECT_EQ(mingru_form(stepwise, {16, 512}, Pass::kForward, 2), "");
}

TEST(MinGruLayer, WidthBelowOneIsRefused) {
  EXPECT_THROW(make_mingru<float>({.width = 0}), std::invalid_argument);
  EXPECT_THROW(make_mingru<double>({.width = -3}), std::invalid_argument);
}

}  // namespace
}  // namespace seqbench
