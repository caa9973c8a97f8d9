#include <gtest/gtest.h>

#include "tests/harness/tasks/draw.h"

namespace seqbench {
namespace {

TEST(FirstToken, AsksForTheFirstTokenAfterDistractorsAndAQueryMark) {
  const Task& task = task_by_name("first_token");
  Random random(2);
  TaskBatch batch;
  constexpr Index kCount = 50, kLength = 9;
  task.draw(random, {kCount, {.distance = kLength}, Evidence::kGiven}, batch);
  for (Index b = 0; b < kCount; ++b) {
    const Token* x = batch.tokens.data() + b * kLength;
    EXPECT_EQ(x[0], batch.targets[std::size_t(b)]);
    EXPECT_LT(x[0], 16);
    for (Index t = 1; t < kLength - 1; ++t) {
      EXPECT_GE(x[t], 16);
      EXPECT_LT(x[t], 32);
    }
    EXPECT_EQ(x[kLength - 1], 32);
    EXPECT_EQ(batch.answer_rows[std::size_t(b)], b * kLength + kLength - 1);
  }
}

TEST(FirstToken, AnswersAreUniform) {
  const Task& task = task_by_name("first_token");
  Random random(3);
  TaskBatch batch;
  constexpr int kCount = 16000;
  const double chance = task.chance({});
  task.draw(random, {kCount, {.distance = 2}, Evidence::kGiven}, batch);
  std::vector<int> hits(16);
  for (const Token target : batch.targets) ++hits[std::size_t(target)];
  for (const int n : hits) EXPECT_NEAR(n, kCount * chance, five_sigmas(chance, kCount));
}

TEST(FirstToken, WithoutEvidenceTheFirstTokenIsRightByChanceOnly) {
  const Task& task = task_by_name("first_token");
  Random random(4);
  TaskBatch batch;
  constexpr int kCount = 16000;
  const double chance = task.chance({});
  task.draw(random, {kCount, {.distance = 3}, Evidence::kRemoved}, batch);
  int right = 0;
  for (int b = 0; b < kCount; ++b) {
    const Token first = batch.tokens[std::size_t(3 * b)];
    EXPECT_LT(first, 16);
    right += first == batch.targets[std::size_t(b)];
  }
  EXPECT_NEAR(right, kCount * chance, five_sigmas(chance, kCount));
}

}  // namespace
}  // namespace seqbench
