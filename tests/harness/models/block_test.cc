#include "harness/models/block.h"

#include <gtest/gtest.h>

#include "core/eigen_view.h"
#include "harness/models/registry.h"
#include "tests/slopes.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

constexpr Index kWidth = 4;

const LayerSpec kGruLayer{.model = "gru", .kernel = "hoisted", .width = kWidth};

template <typename T>
std::unique_ptr<SequenceLayer<T>> make_gru_layer() {
  return make_layer<T>(kGruLayer);
}

BlockSpec gru_block(ModelForm form, Index taps = 0) {
  return {.layer = kGruLayer, .form = form, .taps = taps};
}

const BlockSpec kForms[] = {
    gru_block({}),
    gru_block({.residual = true}),
    gru_block({.residual = true, .mlp_expansion = 3}),
    gru_block({}, 3),
    gru_block({.residual = true}, 3),
    gru_block({.residual = true, .mlp_expansion = 3}, 2),
    gru_block({.residual = true, .mlp_expansion = 3, .mlp = MlpKind::kGelu}),
    gru_block({.residual = true, .mlp = MlpKind::kIdentity})};

TEST(Block, GradientsOfEveryFormMatchSlopes) {
  const ThreadTeam team;
  for (const BlockSpec& form : kForms) {
    for (const Index T : {1, 2, 17}) {
      Random random(1);
      Block<double> block(form);
      std::vector<Parameter<double>*> parameters;
      block.append_parameters(parameters);
      for (auto* parameter : parameters) fill_normal(random, parameter->value.values(), 0.2, 0.5);
      auto x = normal_tensor<double>(random, {2, T, kWidth});
      const auto dy = normal_tensor<double>(random, {2, T, kWidth});
      Tensor<double> y({2, T, kWidth}), dx({2, T, kWidth}), consumed_dy({2, T, kWidth});
      block.reserve({2, T}, 0, 1);
      const auto loss = [&] {
        block.forward(team, std::as_const(x).sequence(), y.sequence(), Keep::kForBackward);
        return as_eigen(y.matrix()).cwiseProduct(as_eigen(dy.matrix())).sum();
      };
      loss();
      std::ranges::copy(dy.values(), consumed_dy.data());
      block.backward(team, std::as_const(x).sequence(), std::as_const(y).sequence(),
                     consumed_dy.sequence(), dx.sequence());
      // 2·T·D products; an output is T steps of products over D, and an MLP of 3·D, deep, with
      // some four nested functions each.
      const double depth = double(2 * T * kWidth) + 4 * double(T * kWidth + 3 * kWidth);
      const double error =
          std::numeric_limits<double>::epsilon() * depth *
          as_eigen(y.matrix()).cwiseProduct(as_eigen(dy.matrix())).cwiseAbs().sum();
      expect_slopes({"x", x.values(), std::as_const(dx).values(), error}, loss);
      for (auto* parameter : parameters) {
        Tensor<double> gradient = std::move(parameter->gradient);
        parameter->gradient = Tensor<double>(gradient.shape());
        expect_slopes(
            {parameter->name, parameter->value.values(), std::as_const(gradient).values(), error},
            loss);
      }
    }
  }
}

TEST(Block, TheBareFormIsTheLayerItself) {
  const ThreadTeam team;
  Random random(2);
  Block<float> block(gru_block({}));
  const auto layer = make_gru_layer<float>();
  randomise_parameters(random, *layer);
  copy_parameters(*layer, *block.layers()[0]);
  const auto x = normal_tensor<float>(random, {3, 5, kWidth});
  Tensor<float> y({3, 5, kWidth}), expected({3, 5, kWidth});
  block.reserve({3, 5}, 0, 1);
  layer->reserve({3, 5}, Pass::kForward, 1);
  block.forward(team, x.sequence(), y.sequence(), Keep::kNothing);
  layer->forward(team, x.sequence(), expected.sequence(), Keep::kNothing);
  EXPECT_TRUE(bit_equal(y, expected));
}

TEST(Block, AConvolutionMixesTheLayersInputWithEarlierSteps) {
  const ThreadTeam team;
  Random random(4);
  Block<float> block(gru_block({}, 2));
  const auto layer = make_gru_layer<float>();
  randomise_parameters(random, *layer);
  copy_parameters(*layer, *block.layers()[0]);
  std::vector<Parameter<float>*> parameters;
  block.append_parameters(parameters);
  // x[t − 1] in place of x[t]: the layer sees everything a step later.
  std::ranges::fill(parameters[4]->value.values().last(kWidth), 1.f);
  const auto x = normal_tensor<float>(random, {1, 5, kWidth});
  Tensor<float> later({1, 5, kWidth}), y({1, 5, kWidth}), expected({1, 5, kWidth});
  std::copy(x.data(), x.data() + 4 * kWidth, later.data() + kWidth);
  block.reserve({1, 5}, 0, 1);
  layer->reserve({1, 5}, Pass::kForward, 1);
  block.forward(team, x.sequence(), y.sequence(), Keep::kNothing);
  layer->forward(team, std::as_const(later).sequence(), expected.sequence(), Keep::kNothing);
  EXPECT_TRUE(bit_equal(y, expected));
}

TEST(Block, TheResidualFormPassesItsInputOnWhereTheBranchesAreZero) {
  const ThreadTeam team;
  Random random(3);
  Block<float> block(
      gru_block({.residual = true, .mlp_expansion = 2}));  // all parameters but the norms' are 0
  const auto x = normal_tensor<float>(random, {2, 3, kWidth});
  Tensor<float> y({2, 3, kWidth});
  block.reserve({2, 3}, 0, 1);
  block.forward(team, x.sequence(), y.sequence(), Keep::kNothing);
  EXPECT_TRUE(bit_equal(y, x));
}

TEST(Block, DeclaresWhatItAllocates) {
  for (const BlockSpec& form : kForms) {
    for (const bool bidirectional : {false, true}) {
      BlockSpec spec = form;
      spec.bidirectional = bidirectional;
      Block<float> block(spec);
      std::vector<Parameter<float>*> parameters;
      block.append_parameters(parameters);
      const std::size_t of_layers = 4 * block.layers().size();
      const std::vector<ParameterShape> declared = block_parameters(spec);
      ASSERT_EQ(parameters.size(), of_layers + declared.size());
      block.reserve({2, 3}, 4, 1);
      for (std::size_t k = 0; k < parameters.size(); ++k) {
        EXPECT_EQ(parameters[k]->gradient.shape(), parameters[k]->value.shape());
        if (k < of_layers) continue;
        EXPECT_EQ(parameters[k]->name, declared[k - of_layers].name);
        EXPECT_EQ(parameters[k]->value.shape(), declared[k - of_layers].shape);
      }
    }
  }
}

TEST(Block, ListsTheParametersOfItsForm) {
  const std::size_t expected[] = {4, 6, 12, 6, 8, 14, 12, 8};
  static_assert(std::size(expected) == std::size(kForms));
  for (std::size_t form = 0; form < std::size(kForms); ++form) {
    Block<float> block(kForms[form]);
    std::vector<Parameter<float>*> parameters;
    block.append_parameters(parameters);
    EXPECT_EQ(parameters.size(), expected[form]);
  }
}

}  // namespace
}  // namespace seqbench
