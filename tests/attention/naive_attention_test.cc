#include <gtest/gtest.h>

#include "core/dropout.h"
#include "core/eigen_view.h"
#include "tests/attention/attention_data.h"
#include "tests/slopes.h"

namespace seqbench {
namespace {

TEST(NaiveAttention, EqualsTheFormulaInPlainLoops) {
  for (const bool causal : {false, true}) {
    for (const Index steps : {1, 2, 17, 33}) {
      for (const Index head_width : {1, 3, 8}) {
        const AttentionShape shape{3, steps, 2, head_width, causal};
        const auto data = random_attention<double>(shape, 1);
        const auto expected = reference_attention(data);
        const auto actual = run_kernel(Kernel::kNaive, data);
        const auto bounds = attention_bounds(data);
        EXPECT_LE(max_difference(actual.o, expected.o), bounds.o) << steps << causal;
        EXPECT_LE(max_difference(actual.dq, expected.dq), bounds.dq) << steps << causal;
        EXPECT_LE(max_difference(actual.dk, expected.dk), bounds.dk) << steps << causal;
        EXPECT_LE(max_difference(actual.dv, expected.dv), bounds.dv) << steps << causal;
      }
    }
  }
}

// O = (P ∘ M)·V row by row: with V the identity, O is what is left of the weights.
TEST(NaiveAttention, MultipliesWeightsBeforeTheySumValues) {
  constexpr Index T = 5;
  const AttentionShape shape{2, T, 1, T, true};
  auto data = random_attention<double>(shape, 3);
  for (Index b = 0; b < shape.batch; ++b) {
    as_eigen(data.projection.matrix()).block(b * T, 2 * T, T, T).setIdentity();
  }
  const Tensor<double> weights = run_kernel(Kernel::kNaive, data).o;
  Random random(4);
  data.weight_multipliers = Tensor<double>({shape.batch * shape.heads, T, T});
  fill_normal(random, data.weight_multipliers.values());
  const auto dropped = run_kernel(Kernel::kNaive, data);
  const auto M = as_eigen(std::as_const(data.weight_multipliers).matrix());
  const RowMajorMatrix<double> expected = as_eigen(weights.matrix()).cwiseProduct(M);
  EXPECT_EQ((as_eigen(dropped.o.matrix()) - expected).cwiseAbs().maxCoeff(), 0);
}

TEST(NaiveAttention, GradientsWithMultipliedWeightsMatchSlopes) {
  for (const bool causal : {false, true}) {
    const AttentionShape shape{2, 7, 2, 3, causal};
    auto data = random_attention<double>(shape, 5);
    Random random(6);
    data.weight_multipliers = Tensor<double>({shape.batch * shape.heads, 7, 7});
    draw_multipliers({.probability = 0.3, .random = &random}, data.weight_multipliers.values());
    const auto result = run_kernel(Kernel::kNaive, data);
    const auto loss = [&] {
      const auto o = run_kernel(Kernel::kNaive, data).o;
      return as_eigen(o.matrix()).cwiseProduct(as_eigen(data.d_output.matrix())).sum();
    };
    Tensor<double> gradient(data.projection.shape());
    const auto columns = [&](Index part) {
      return as_eigen(gradient.matrix().column_block(part * data.width(), data.width()));
    };
    columns(0) = as_eigen(result.dq.matrix());
    columns(1) = as_eigen(result.dk.matrix());
    columns(2) = as_eigen(result.dv.matrix());
    // A sum of 84 products of outputs, each a mean of seven values behind three nested functions.
    const double error =
        std::numeric_limits<double>::epsilon() * (84 + 4 * 7) *
        as_eigen(result.o.matrix()).cwiseProduct(as_eigen(data.d_output.matrix())).cwiseAbs().sum();
    expect_slopes({"projection", data.projection.values(), std::as_const(gradient).values(), error},
                  loss);
  }
}

TEST(NaiveAttention, NeedsOneProbabilityForEachPairOfTokens) {
  const AttentionShape shape{.batch = 2, .steps = 5, .heads = 3, .head_width = 4};
  EXPECT_EQ(naive_workspace(shape, Pass::kForward, 2).probabilities, (BufferShape{6, 5, 5}));
  EXPECT_TRUE(naive_workspace(shape, Pass::kForward, 2).score_gradients.empty());
  EXPECT_EQ(naive_workspace(shape, Pass::kTrain, 2).score_gradients, (BufferShape{2, 5, 5}));
}

}  // namespace
}  // namespace seqbench
