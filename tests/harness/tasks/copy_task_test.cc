#include <gtest/gtest.h>

#include "tests/harness/tasks/draw.h"

namespace seqbench {
namespace {

TEST(Copy, AsksForTheTenSymbolsBehindTheBlanksAndTheMark) {
  for (const Index blanks : {1, 2, 20}) {
    const Index T = blanks + 20;
    const TaskBatch batch = draw("copy", 30, {.distance = blanks});
    ASSERT_EQ(batch.shape.steps, T);
    for (Index b = 0; b < 30; ++b) {
      const Token* const x = batch.tokens.data() + b * T;
      for (Index t = 0; t < T; ++t) {
        if (t < 10) {
          EXPECT_LT(x[t], 8);
          EXPECT_EQ(batch.targets[std::size_t(10 * b + t)], x[t]);
          EXPECT_EQ(batch.answer_rows[std::size_t(10 * b + t)], b * T + T - 10 + t);
        } else {
          EXPECT_EQ(x[t], t == blanks + 9 ? 9 : 8);
        }
      }
    }
  }
}

TEST(Copy, WithoutEvidenceTheSymbolsAreRightByChanceOnly) {
  const TaskBatch batch = draw("copy", 1600, {.distance = 1}, Evidence::kRemoved);
  int right = 0;
  for (std::size_t a = 0; a < 16000; ++a)
    right += batch.tokens[a / 10 * 21 + a % 10] == batch.targets[a];
  EXPECT_NEAR(right, 16000 * 0.125, five_sigmas(0.125, 16000));
}

}  // namespace
}  // namespace seqbench
