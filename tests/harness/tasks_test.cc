#include "harness/tasks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

namespace seqbench {
namespace {

class EveryTask : public ::testing::TestWithParam<Task> {};
INSTANTIATE_TEST_SUITE_P(Tasks, EveryTask, ::testing::ValuesIn(all_tasks()),
                         [](const auto& instance) { return instance.param.name; });

TEST_P(EveryTask, DrawsWhatItDeclares) {
  const Task& task = GetParam();
  Random random(1);
  TaskBatch batch;
  for (const Index distance : {task.min_distance, task.min_distance + 1, Index{33}}) {
    for (const Index count : {1, 7}) {
      task.draw(random, {count, {.distance = distance}, Evidence::kGiven}, batch);
      EXPECT_EQ(batch.shape.batch, count);
      EXPECT_EQ(batch.shape.steps, task.sequence_length({.distance = distance}));
      ASSERT_EQ(Index(batch.tokens.size()), count * batch.shape.steps);
      for (const Token token : batch.tokens) {
        EXPECT_GE(token, 0);
        EXPECT_LT(token, task.vocabulary);
      }
      ASSERT_EQ(batch.answer_rows.size(), batch.targets.size());
      ASSERT_FALSE(batch.targets.empty());
      for (const Token target : batch.targets) {
        EXPECT_GE(target, 0);
        EXPECT_LT(target, task.answers);
      }
      for (std::size_t a = 0; a < batch.answer_rows.size(); ++a) {
        EXPECT_LT(batch.answer_rows[a], count * batch.shape.steps);
        EXPECT_GT(batch.answer_rows[a], a == 0 ? Index{-1} : batch.answer_rows[a - 1]);
      }
    }
  }
}

TEST_P(EveryTask, DrawsFreshSequencesFromOneSeedAndTheSameFromTheSame) {
  const Task& task = GetParam();
  Random random(1), same(1);
  TaskBatch first, second, repeated;
  task.draw(random, {4, {.distance = 40}, Evidence::kGiven}, first);
  task.draw(random, {4, {.distance = 40}, Evidence::kGiven}, second);
  task.draw(same, {4, {.distance = 40}, Evidence::kGiven}, repeated);
  EXPECT_NE(first.tokens, second.tokens);
  EXPECT_EQ(first.tokens, repeated.tokens);
  EXPECT_EQ(first.targets, repeated.targets);
}

TEST_P(EveryTask, DefaultsCoverEveryModel) {
  const TaskDefaults& defaults = GetParam().defaults;
  for (const std::string model : {"elman", "lstm", "gru", "attention"}) {
    EXPECT_GE(defaults.layers.at(model), 1);
    EXPECT_GT(defaults.learning_rate.at(model), 0);
  }
  for (const Index distance : defaults.distances) EXPECT_GE(distance, GetParam().min_distance);
  EXPECT_EQ(defaults.width % defaults.heads, 0);
}

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

// Five standard errors of a binomial count: a fair draw fails one such test in two million seeds.
double five_sigmas(double p, double n) { return 5 * std::sqrt(p * (1 - p) * n); }

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

TEST(TaskByName, RefusesAnUnknownName) {
  EXPECT_THROW(task_by_name("second_token"), std::invalid_argument);
}

}  // namespace
}  // namespace seqbench
