#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "tests/harness/tasks/draw.h"

namespace seqbench {
namespace {

TEST(FirstSymbol, AsksForTheFirstOfOneAlphabet) {
  constexpr Index T = 5;
  const TaskBatch batch = draw("first_symbol", 400, {.distance = T});
  std::set<Token> seen;
  for (Index b = 0; b < 400; ++b) {
    EXPECT_EQ(batch.targets[std::size_t(b)], batch.tokens[std::size_t(b * T)]);
    EXPECT_EQ(batch.answer_rows[std::size_t(b)], b * T + T - 1);
    seen.insert(batch.tokens[std::size_t(b * T + 2)]);
  }
  EXPECT_EQ(seen.size(), 16u);
  const TaskBatch removed = draw("first_symbol", 16000, {.distance = 2}, Evidence::kRemoved);
  int right = 0;
  for (std::size_t b = 0; b < 16000; ++b) right += removed.tokens[2 * b] == removed.targets[b];
  EXPECT_NEAR(right, 1000, five_sigmas(1. / 16, 16000));
}

TEST(CopyAll, AsksAtEveryStepForABlankAndThenTheSymbols) {
  const Index blanks = 7, T = blanks + 20;
  const TaskBatch batch = draw("copy_all", 3, {.distance = blanks});
  for (Index b = 0; b < 3; ++b) {
    const Token* const x = batch.tokens.data() + b * T;
    for (Index t = 0; t < T; ++t) {
      EXPECT_EQ(x[t] >= 1 && x[t] <= 8, t < 10);
      if (t >= 10) {
        EXPECT_EQ(x[t], t < blanks + 9 ? 0 : 9);
      }
      EXPECT_EQ(batch.answer_rows[std::size_t(b * T + t)], b * T + t);
      EXPECT_EQ(batch.targets[std::size_t(b * T + t)], t < T - 10 ? 0 : x[t - T + 10]);
      EXPECT_EQ(batch.is_among_last(b * T + t, 10), t >= T - 10);
    }
  }
  // The memoryless guess of ten symbols, and none of the blanks, a step.
  const Task& task = task_by_name("copy_all");
  EXPECT_NEAR(task.baseline_loss({.distance = 1000}), 0.0204, 5e-5);
}

TEST(AssociativeRecall, AsksForTheValueOfAKeySeen) {
  constexpr Index kPairs = 20, T = 2 * kPairs + 2;
  constexpr Index kCount = 16000;
  const TaskBatch batch = draw("associative_recall", kCount, {.distance = 2 * kPairs});
  ASSERT_EQ(batch.shape.steps, T);
  double expected_first = 0, first = 0;
  for (Index b = 0; b < kCount; ++b) {
    const Token* const x = batch.tokens.data() + b * T;
    const Token* const y = batch.targets.data() + b * T;
    std::map<Token, Token> value_of;
    for (Index p = 0; p < kPairs; ++p) {
      EXPECT_LT(x[2 * p], 9);
      EXPECT_TRUE(x[2 * p + 1] >= 9 && x[2 * p + 1] < 18);
      const auto known = value_of.try_emplace(x[2 * p], x[2 * p + 1]).first;
      EXPECT_EQ(known->second, x[2 * p + 1]);
    }
    EXPECT_EQ(x[T - 2], 18);
    ASSERT_TRUE(value_of.contains(x[T - 1]));
    EXPECT_EQ(y[T - 1], value_of[x[T - 1]]);
    for (Index t = 0; t + 1 < T; ++t) EXPECT_EQ(y[t], x[t + 1]);
    expected_first += 1 / double(value_of.size());
    first += x[T - 1] == x[0];
  }
  // A key seen often is asked for no more often: five standard errors of a binomial count of 1,983,
  // where that would make 506 more.
  EXPECT_NEAR(first, expected_first, 5 * std::sqrt(expected_first));
}

TEST(Induction, AsksForWhatStoodBehindTheArrow) {
  constexpr Index kSymbols = 30, T = kSymbols + 1;
  std::set<Index> places;
  for (const Evidence evidence : {Evidence::kGiven, Evidence::kRemoved}) {
    const TaskBatch batch = draw("induction", 4000, {.distance = kSymbols}, evidence);
    ASSERT_EQ(batch.shape.steps, T);
    int right = 0;
    for (Index b = 0; b < 4000; ++b) {
      const Token* const x = batch.tokens.data() + b * T;
      const Token* const y = batch.targets.data() + b * T;
      const auto arrow = std::find(x, x + T, 18) - x;
      places.insert(arrow);
      EXPECT_EQ(std::count(x, x + T, 18), 2);
      EXPECT_EQ(x[T - 1], 18);
      for (Index t = 0; t + 1 < T; ++t) EXPECT_EQ(y[t], x[t + 1]);
      right += y[T - 1] == x[arrow + 1];
    }
    if (evidence == Evidence::kGiven) {
      EXPECT_EQ(right, 4000);
    } else {
      EXPECT_NEAR(right, 4000 / 18., five_sigmas(1. / 18, 4000));
    }
  }
  // At any step but the last two.
  EXPECT_EQ(*places.begin(), 0);
  EXPECT_EQ(*places.rbegin(), 27);
  EXPECT_EQ(places.size(), 28u);
}

}  // namespace
}  // namespace seqbench
