#include <gtest/gtest.h>

#include <cmath>

#include "tests/harness/tasks/draw.h"

namespace seqbench {
namespace {

TEST(Adding, AsksForTheSumOfOneMarkedNumberInEachHalf) {
  for (const Index T : {2, 3, 9, 50}) {
    const TaskBatch batch = draw("adding", 200, {.distance = T});
    for (Index b = 0; b < 200; ++b) {
      double sum = 0;
      int marks[2] = {0, 0};
      for (Index t = 0; t < T; ++t) {
        const double* const step = &batch.numbers[std::size_t(2 * (b * T + t))];
        EXPECT_TRUE(step[0] >= 0 && step[0] < 1);
        EXPECT_TRUE(step[1] == 0 || step[1] == 1);
        sum += step[0] * step[1];
        marks[t >= T / 2] += step[1] == 1;
      }
      EXPECT_EQ(marks[0], 1);
      EXPECT_EQ(marks[1], 1);
      EXPECT_DOUBLE_EQ(batch.values[std::size_t(b)], sum);
      EXPECT_EQ(batch.answer_rows[std::size_t(b)], (b + 1) * T - 1);
    }
  }
}

TEST(Adding, GuessingOneHasTheDeclaredLossAndChance) {
  const Task& task = task_by_name("adding");
  constexpr int kCount = 16000;
  const TaskBatch batch = draw("adding", kCount, {.distance = 2});
  double loss = 0;
  int right = 0;
  for (const double value : batch.values) {
    loss += (value - 1) * (value - 1) / kCount;
    right += std::abs(value - 1) < task.tolerance;
  }
  // (s − 1)² of a triangular s has mean 1/6 and variance 1/15 − 1/36.
  EXPECT_NEAR(loss, task.baseline_loss({}), 5 * std::sqrt((1. / 15 - 1. / 36) / kCount));
  const double chance = task.chance({});
  EXPECT_NEAR(right, kCount * chance, five_sigmas(chance, kCount));
}

TEST(Adding, WithoutEvidenceTheMarkedNumbersAreNotTheSum) {
  const TaskBatch batch = draw("adding", 4000, {.distance = 4}, Evidence::kRemoved);
  int right = 0;
  for (std::size_t b = 0; b < 4000; ++b) {
    double sum = 0;
    for (std::size_t t = 0; t < 4; ++t)
      sum += batch.numbers[8 * b + 2 * t] * batch.numbers[8 * b + 2 * t + 1];
    right += std::abs(batch.values[b] - sum) < 0.04;
  }
  // The difference of two such sums has density 2/3 at 0.
  EXPECT_NEAR(right, 4000 * 0.08 * 2 / 3, five_sigmas(0.08 * 2 / 3, 4000) + 1);
}

}  // namespace
}  // namespace seqbench
