#include "harness/timing/scope.h"

#include <gtest/gtest.h>

#include <cmath>

#include "harness/base/errors.h"
#include "tests/harness/timing/scoped_case.h"

namespace seqbench {
namespace {

TEST(Scope, DeclaresTheConventionalWorkAndWeights) {
  const double D = 24, N = 3 * 70, V = kTimedVocabulary, T = 70;
  const double norms = 2 * D;  // without biases
  const LayerCost attention = case_of("attention", Scope::kBlock, Pass::kForward, {3, 70}).cost();
  EXPECT_EQ(attention.flops, N * (8 * D * D + 16 * D * D) + 4 * N * T * D);
  EXPECT_EQ(attention.parameters, 12 * D * D + norms);
  const LayerCost lstm = case_of("lstm", Scope::kBlock, Pass::kTrain, {3, 70}).cost();
  EXPECT_EQ(lstm.flops, 3 * N * (16 * D * D + 16 * D * D));
  EXPECT_EQ(lstm.parameters, 16 * D * D + 8 * D + norms);
  const LayerCost model = case_of("lstm", Scope::kModel, Pass::kForward, {3, 70}).cost();
  EXPECT_EQ(model.flops, 2 * N * 32 * D * D + 2 * N * D * V);
  EXPECT_EQ(model.parameters, 2 * lstm.parameters + V * D + D);
  const LayerCost token = case_of("gru", Scope::kModel, Pass::kDecode, {3, 70}).cost();
  EXPECT_EQ(token.flops, 3 * (2 * (12 + 16) * D * D + 2 * D * V));
  EXPECT_EQ(token.state_bytes, 2 * 3 * D * 4);
}

TEST(Scope, OfEqualParametersHasTheClosestWidth) {
  for (const Scope scope : {Scope::kLayer, Scope::kBlock, Scope::kModel}) {
    for (const std::string model : {"elman", "lstm", "gru", "mingru"}) {
      Case one = case_of(model, scope, Pass::kForward, {1, 64});
      one.layer.width = 128;
      Case attention = one;
      attention.layer = {.model = "attention", .kernel = "fused", .width = 128, .heads = 4};
      const double target = attention.cost().parameters;
      const Index width = width_of_equal_parameters(one.scoped());
      const auto error = [&](Index at) {
        one.layer.width = at;
        return std::abs(one.cost().parameters - target);
      };
      EXPECT_LE(error(width), error(width - 1)) << model;
      EXPECT_LE(error(width), error(width + 1)) << model;
    }
  }
  Case narrow = case_of("lstm", Scope::kLayer, Pass::kForward, {1, 64});
  narrow.layer.width = 2;
  EXPECT_THROW(width_of_equal_parameters(narrow.scoped()), UsageError);
}

}  // namespace
}  // namespace seqbench
