#include "harness/models/variants.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/eigen_view.h"
#include "harness/models/registry.h"
#include "harness/tasks/task.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

TEST(FindVariant, KnowsWhichModelsHaveIt) {
  EXPECT_TRUE(find_variant("lstm", "chrono").has_value());
  EXPECT_FALSE(find_variant("elman", "chrono").has_value());
  EXPECT_EQ(find_variant("attention", "rotary")->positions, Positions::kRotary);
  EXPECT_TRUE(find_variant("gru", "forget1").has_value());
  EXPECT_FALSE(find_variant("elman", "forget1").has_value());
  EXPECT_FALSE(find_variant("attention", "default").has_value());
  EXPECT_FALSE(find_variant("lstm", "nonsense").has_value());
  EXPECT_FALSE(find_variant("lstm", "nonsense+conv3").has_value());
  EXPECT_FALSE(find_variant("lstm", "").has_value());
  EXPECT_EQ(find_variant("attention", "learned")->positions, Positions::kLearned);
  EXPECT_TRUE(find_variant("mingru", "linear+conv3")->linear_candidate);
  EXPECT_FALSE(find_variant("mingru", "chrono")->linear_candidate);
  EXPECT_FALSE(find_variant("gru", "linear").has_value());
}

TEST(FindVariant, TheControlKeepsTheModelAndRemovesTheEvidence) {
  for (const std::string& model : model_names()) {
    const auto control = find_variant(model, "noanswer");
    ASSERT_TRUE(control.has_value()) << model;
    EXPECT_EQ(control->evidence, Evidence::kRemoved);
    const bool attention = model == "attention";
    EXPECT_EQ(control->positions, attention ? Positions::kLearned : Positions::kNone);
  }
}

TEST(FindVariant, TheControlsOfAttentionAreHowItComputesAndNoStart) {
  for (const std::string taps : {"", "+conv3"}) {
    const auto plain = find_variant("attention", "learned" + taps);
    const auto uniform = find_variant("attention", "meanpool" + taps);
    const auto window = find_variant("attention", "window8" + taps);
    EXPECT_TRUE(uniform->uniform_weights);
    EXPECT_EQ(window->window, 8);
    EXPECT_FALSE(plain->uniform_weights || window->uniform_weights);
    EXPECT_EQ(plain->window + uniform->window, 0);
    for (const auto& control : {uniform, window}) {
      EXPECT_EQ(control->initialisation, plain->initialisation);
      EXPECT_EQ(control->positions, plain->positions);
    }
  }
}

TEST(FindVariant, CombinesEachWithTheConvolution) {
  for (const std::string& model : model_names()) {
    for (const std::string& name : variant_names({model})) {
      const auto variant = find_variant(model, name);
      ASSERT_TRUE(variant.has_value()) << model << name;
      const bool convolves = name.find("conv3") != std::string::npos;
      EXPECT_EQ(variant->taps, convolves ? 3 : 0) << name;
      EXPECT_TRUE(name == "conv3" || variant->name == name) << variant->name;
    }
  }
  EXPECT_EQ(find_variant("attention", "conv3")->name, "learned+conv3");
  EXPECT_EQ(find_variant("elman", "conv3")->name, "default+conv3");
  const auto chrono = find_variant("lstm", "chrono+conv3");
  EXPECT_EQ(chrono->initialisation, Initialisation::kChrono);
}

TEST(VariantNames, AreThoseThatAnyOfTheModelsHas) {
  EXPECT_EQ(variant_names({"gru"}),
            (std::vector<std::string>{"default", "forget1", "chrono", "noanswer", "conv3",
                                      "default+conv3", "forget1+conv3", "chrono+conv3",
                                      "noanswer+conv3"}));
  EXPECT_EQ(variant_names(model_names()), variant_names());
}

TEST(InitialiseForgetOne, OpensTheGateThatKeepsTheState) {
  constexpr Index kWidth = 4;
  for (const std::string model : {"lstm", "gru"}) {
    const LayerSpec spec{.model = model, .kernel = "hoisted", .width = kWidth};
    const auto layer = make_layer<double>(spec), plain = make_layer<double>(spec);
    Random random(1), same(1);
    initialise_forget_one(random, *layer);
    plain->initialise(same);
    for (std::size_t p = 0; p < 4; ++p) {
      for (Index i = 0; i < layer->parameters()[p].value.size(); ++i) {
        const bool keeps = p >= 2 && i / kWidth == 1;
        const double expected = p == 2 ? 1 : 0;
        EXPECT_EQ(layer->parameters()[p].value[i],
                  keeps ? expected : plain->parameters()[p].value[i]);
      }
    }
  }
}

TEST(InitialiseOrthogonal, KeepsTheNormOfTheState) {
  constexpr Index kWidth = 64;
  const auto elman = make_layer<double>({.model = "elman", .kernel = "hoisted", .width = kWidth});
  Random random(1);
  initialise_orthogonal(random, *elman);
  const auto recurrent = as_eigen(elman->parameters()[1].value.matrix());
  const RowMajorMatrix<double> gram = recurrent.transpose() * recurrent;
  // 64 reflections of 64 elements, then dot products of 64.
  const double bound = double(2 * 64 + 2 * 64) * std::numeric_limits<double>::epsilon();
  EXPECT_LE((gram - RowMajorMatrix<double>::Identity(kWidth, kWidth)).cwiseAbs().maxCoeff(), bound);
}

void check_chrono(const std::string& model, Index gates) {
  constexpr Index kWidth = 64, kLongest = 40;
  const auto layer = make_layer<double>({.model = model, .kernel = "hoisted", .width = kWidth});
  Random random(1);
  randomise_parameters(random, *layer);  // whatever is not assigned shows
  initialise_chrono(random, *layer, kLongest);
  const auto parameters = layer->parameters();

  EXPECT_LE(max_abs<double>(parameters[0].value.values()), 1 / std::sqrt(double(kWidth)));

  const auto recurrent = as_eigen(parameters[1].value.matrix());
  const RowMajorMatrix<double> gram = recurrent.transpose() * recurrent;
  // 64 reflections of up to 256 elements, then dot products of as many.
  const double bound = double(2 * 64 + 2 * 256) * std::numeric_limits<double>::epsilon();
  EXPECT_LE((gram - RowMajorMatrix<double>::Identity(kWidth, kWidth)).cwiseAbs().maxCoeff(), bound);

  const auto& bias = parameters[2].value;
  double largest = 0;
  for (Index j = 0; j < kWidth; ++j) {
    const double keeping = bias[kWidth + j];
    EXPECT_GE(keeping, 0);
    EXPECT_LE(keeping, std::log(double(kLongest - 1)));
    EXPECT_EQ(bias[j], gates == 4 ? -keeping : 0);
    for (Index gate = 2; gate < gates; ++gate) EXPECT_EQ(bias[gate * kWidth + j], 0);
    largest = std::max(largest, keeping);
  }
  // 64 draws all below half the range: once in 2⁶⁴ seeds.
  EXPECT_GT(largest, std::log(double(kLongest) / 2));
  EXPECT_EQ(max_abs<double>(parameters[3].value.values()), 0);
}

TEST(InitialiseChrono, FollowsItsDefinition) {
  check_chrono("lstm", 4);
  check_chrono("gru", 3);
}

TEST(InitialiseChrono, OpensAMinGrusGatesForTimesOfTheirOwn) {
  constexpr Index kWidth = 64, kLongest = 40;
  const auto layer = make_layer<double>({.model = "mingru", .kernel = "scan", .width = kWidth});
  Random random(1);
  randomise_parameters(random, *layer);  // whatever is not assigned shows
  initialise_chrono(random, *layer, kLongest);
  EXPECT_LE(max_abs<double>(layer->parameters()[0].value.values()), 1 / std::sqrt(double(kWidth)));
  const auto& bias = layer->parameters()[1].value;
  double smallest = 0;
  for (Index j = 0; j < kWidth; ++j) {
    EXPECT_LE(bias[j], 0);
    EXPECT_GE(bias[j], -std::log(double(kLongest - 1)));
    EXPECT_EQ(bias[kWidth + j], 0);
    smallest = std::min(smallest, bias[j]);
  }
  // 64 draws all below half the range: once in 2⁶⁴ seeds.
  EXPECT_LT(smallest, -std::log(double(kLongest) / 2));
}

}  // namespace
}  // namespace seqbench
