#include "harness/variants.h"

#include <gtest/gtest.h>

#include <cmath>

#include "harness/registry.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

TEST(FindVariant, KnowsWhichModelsHaveIt) {
  EXPECT_NE(find_variant("lstm", "chrono"), nullptr);
  EXPECT_EQ(find_variant("gru", "chrono"), nullptr);
  EXPECT_EQ(find_variant("attention", "default"), nullptr);
  EXPECT_EQ(find_variant("lstm", "nonsense"), nullptr);
  EXPECT_EQ(find_variant("attention", "learned")->positions, Positions::kLearned);
}

TEST(FindVariant, TheControlKeepsTheModelAndRemovesTheEvidence) {
  for (const std::string& model : model_names()) {
    const Variant* control = find_variant(model, "noanswer");
    ASSERT_NE(control, nullptr) << model;
    EXPECT_EQ(control->evidence, Evidence::kRemoved);
    const bool attention = model == "attention";
    EXPECT_EQ(control->positions, attention ? Positions::kLearned : Positions::kNone);
  }
}

TEST(VariantNames, AreThoseThatAnyOfTheModelsHas) {
  EXPECT_EQ(variant_names({"gru"}), (std::vector<std::string>{"default", "noanswer"}));
  EXPECT_EQ(variant_names({"attention"}), (std::vector<std::string>{"learned", "noanswer"}));
  EXPECT_EQ(variant_names(model_names()), variant_names());
}

TEST(InitialiseChrono, FollowsItsDefinition) {
  constexpr Index kWidth = 64, kLongest = 40;
  const auto lstm = make_layer<double>({.model = "lstm", .kernel = "hoisted", .width = kWidth});
  Random random(1);
  randomise_parameters(random, *lstm);  // whatever is not assigned shows
  initialise_chrono(random, *lstm, kLongest);
  const auto parameters = lstm->parameters();

  EXPECT_LE(max_abs<double>(parameters[0].value.values()), 1 / std::sqrt(double(kWidth)));

  const auto recurrent = as_eigen(parameters[1].value.matrix());
  const RowMajorMatrix<double> gram = recurrent.transpose() * recurrent;
  // 64 reflections of 256 elements, then dot products of 256.
  const double bound = double(2 * 64 + 2 * 256) * std::numeric_limits<double>::epsilon();
  EXPECT_LE((gram - RowMajorMatrix<double>::Identity(kWidth, kWidth)).cwiseAbs().maxCoeff(), bound);

  const auto& bias = parameters[2].value;
  double largest = 0;
  for (Index j = 0; j < kWidth; ++j) {
    const double forget = bias[kWidth + j];
    EXPECT_GE(forget, 0);
    EXPECT_LE(forget, std::log(double(kLongest - 1)));
    EXPECT_EQ(bias[j], -forget);
    EXPECT_EQ(bias[2 * kWidth + j], 0);
    EXPECT_EQ(bias[3 * kWidth + j], 0);
    largest = std::max(largest, forget);
  }
  // 64 draws all below half the range: once in 2⁶⁴ seeds.
  EXPECT_GT(largest, std::log(double(kLongest) / 2));
  EXPECT_EQ(max_abs<double>(parameters[3].value.values()), 0);
}

}  // namespace
}  // namespace seqbench
