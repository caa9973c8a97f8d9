#include <gtest/gtest.h>

#include "tests/harness/tasks/draw.h"

namespace seqbench {
namespace {

TEST(Parity, AsksAtEveryStepWhetherTheOnesSoFarAreOdd) {
  constexpr Index T = 13;
  const TaskBatch batch = draw("parity", 40, {.distance = T});
  for (Index b = 0; b < 40; ++b) {
    int ones = 0;
    for (Index t = 0; t < T; ++t) {
      const auto i = std::size_t(b * T + t);
      ones += batch.tokens[i];
      EXPECT_EQ(batch.targets[i], ones % 2);
      EXPECT_EQ(batch.answer_rows[i], Index(i));
      EXPECT_EQ(batch.gaps[i], t + 1);
    }
  }
}

TEST(Parity, WithoutEvidenceTheOnesTellNothing) {
  const TaskBatch batch = draw("parity", 16000, {.distance = 2}, Evidence::kRemoved);
  int right = 0;
  for (std::size_t i = 0; i < 32000; i += 2) right += batch.tokens[i] == batch.targets[i];
  EXPECT_NEAR(right, 16000 * 0.5, five_sigmas(0.5, 16000));
}

}  // namespace
}  // namespace seqbench
