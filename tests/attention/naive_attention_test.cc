#include <gtest/gtest.h>

#include "tests/attention/attention_data.h"

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

TEST(NaiveAttention, NeedsOneProbabilityForEachPairOfTokens) {
  const AttentionShape shape{.batch = 2, .steps = 5, .heads = 3, .head_width = 4};
  EXPECT_EQ(naive_workspace(shape, Pass::kForward, 2).probabilities, (BufferShape{6, 5, 5}));
  EXPECT_TRUE(naive_workspace(shape, Pass::kForward, 2).score_gradients.empty());
  EXPECT_EQ(naive_workspace(shape, Pass::kTrain, 2).score_gradients, (BufferShape{2, 5, 5}));
}

}  // namespace
}  // namespace seqbench
