#include "harness/tasks/tasks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <stdexcept>

#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"

namespace seqbench {
namespace {

class EveryTask : public ::testing::TestWithParam<Task> {};
INSTANTIATE_TEST_SUITE_P(Tasks, EveryTask, ::testing::ValuesIn(all_tasks()),
                         [](const auto& instance) {
                           return instance.param.name + "_" + instance.param.setup;
                         });

TEST_P(EveryTask, DrawsWhatItDeclares) {
  const Task& task = GetParam();
  Random random(1);
  TaskBatch batch;
  const Index least = task.min_distance(0);
  for (const Index distance : {least, least + 1, Index{67}}) {
    for (const Index count : {1, 7}) {
      task.draw(random, {count, {.distance = distance}, Evidence::kGiven}, batch);
      EXPECT_EQ(batch.shape.batch, count);
      EXPECT_EQ(batch.shape.steps, task.sequence_length({.distance = distance}));
      ASSERT_EQ((task.vocabulary > 0), task.channels == 0);
      const Index tokens = task.vocabulary > 0 ? count * batch.shape.steps : 0;
      ASSERT_EQ(Index(batch.tokens.size()), tokens);
      ASSERT_EQ(Index(batch.numbers.size()), count * batch.shape.steps * task.channels);
      for (const Token token : batch.tokens) {
        EXPECT_GE(token, 0);
        EXPECT_LT(token, task.vocabulary);
      }
      ASSERT_EQ(batch.answers(), count * task.questions({.distance = distance}));
      const bool regression = task.loss == LossKind::kSquaredError;
      ASSERT_EQ(Index(batch.targets.size()), regression ? 0 : batch.answers());
      ASSERT_EQ(Index(batch.values.size()), regression ? batch.answers() : 0);
      EXPECT_TRUE(batch.gaps.empty() || Index(batch.gaps.size()) == batch.answers());
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
  EXPECT_TRUE(first.tokens != second.tokens || first.numbers != second.numbers);
  EXPECT_EQ(first.tokens, repeated.tokens);
  EXPECT_EQ(first.numbers, repeated.numbers);
  EXPECT_EQ(first.targets, repeated.targets);
  EXPECT_EQ(first.values, repeated.values);
}

TEST_P(EveryTask, DefaultsAreInOrder) {
  const TaskDefaults& defaults = GetParam().defaults;
  EXPECT_FALSE(defaults.models.empty());
  for (const auto& [model, settings] : defaults.models) {
    EXPECT_GE(settings.form.layers, 1);
    EXPECT_GT(settings.learning_rate, 0);
    const Index width = settings.form.width > 0 ? settings.form.width : defaults.width;
    EXPECT_EQ(width % settings.form.heads, 0);
    EXPECT_TRUE(settings.form.residual || settings.form.mlp_expansion == 0);
  }
  for (const Index distance : defaults.distances) EXPECT_GE(distance, GetParam().min_distance(0));
}

// Those that others have posed have the models of their published settings alone.
TEST(Tasks, OurOwnCoverEveryModel) {
  for (const std::string name : {"first_token", "adding", "copy", "parity", "mqar"}) {
    EXPECT_EQ(task_by_name(name).defaults.models.size(), 4u) << name;
  }
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

TaskBatch draw(const std::string& task, Index sequences, TaskSetting setting,
               Evidence evidence = Evidence::kGiven) {
  Random random(5);
  TaskBatch batch;
  task_by_name(task).draw(random, {sequences, setting, evidence}, batch);
  return batch;
}

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

TEST(Mqar, AsksForEachKeysValueOnceAmongBlanks) {
  for (const TaskSetting setting : {TaskSetting{6, 2}, {64, 0}, {48, 16}, {381, 127}}) {
    const Index T = setting.distance, N = setting.pairs > 0 ? setting.pairs : T / 16;
    const TaskBatch batch = draw("mqar", 20, setting);
    ASSERT_EQ(batch.answers(), 20 * N);
    std::size_t a = 0;
    for (Index b = 0; b < 20; ++b) {
      const Token* const x = batch.tokens.data() + b * T;
      std::map<Token, Index> pair_of;  // by key
      std::set<Token> values;
      for (Index n = 0; n < N; ++n) {
        EXPECT_TRUE(x[2 * n] >= 1 && x[2 * n] < 128);
        EXPECT_GE(x[2 * n + 1], 128);
        pair_of[x[2 * n]] = n;
        values.insert(x[2 * n + 1]);
      }
      EXPECT_EQ(Index(pair_of.size()), N);
      EXPECT_EQ(Index(values.size()), N);
      for (Index t = 2 * N; t < T; ++t) {
        if (x[t] == 0) continue;
        ASSERT_TRUE(pair_of.contains(x[t]));  // and not asked before
        const Index n = pair_of[x[t]];
        pair_of.erase(x[t]);
        EXPECT_EQ(batch.answer_rows[a], b * T + t);
        EXPECT_EQ(batch.targets[a], x[2 * n + 1]);
        EXPECT_EQ(batch.gaps[a], t - 2 * n);
        ++a;
      }
      EXPECT_TRUE(pair_of.empty());
    }
  }
}

TEST(Mqar, AsksAtUniformlyDrawnSteps) {
  constexpr Index T = 32, kCount = 8000;
  const TaskBatch batch = draw("mqar", kCount, {.distance = T});
  std::vector<int> asked(T);
  for (const Index row : batch.answer_rows) ++asked[std::size_t(row % T)];
  const double p = 2. / (T - 4);  // two questions at 28 steps
  for (Index t = 4; t < T; ++t) {
    EXPECT_NEAR(asked[std::size_t(t)], kCount * p, five_sigmas(p, kCount));
  }
}

TEST(Mqar, WithoutEvidenceTheValueBesideAKeyIsRightByChanceOnly) {
  constexpr Index T = 64, N = 4, kCount = 4000;
  const TaskBatch batch = draw("mqar", kCount, {.distance = T}, Evidence::kRemoved);
  int right = 0;
  for (std::size_t a = 0; a < batch.targets.size(); ++a) {
    const Index row = batch.answer_rows[a], key = row - batch.gaps[a];
    EXPECT_EQ(batch.tokens[std::size_t(key)], batch.tokens[std::size_t(row)]);
    right += batch.tokens[std::size_t(key + 1)] == batch.targets[a];
    // Which values there are stays known.
    const Token* const first = batch.tokens.data() + row / T * T;
    EXPECT_NE(std::find(first, first + 2 * N, batch.targets[a]), first + 2 * N);
  }
  // A random order leaves one of N values at its place, with variance 1.
  EXPECT_NEAR(right, kCount, 5 * std::sqrt(double(kCount)));
}

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

TEST(Mqar8k, AsksAnEvenNumberOfStepsBehindThePairsAndPrefersShortGaps) {
  constexpr Index T = 64, N = 4, kCount = 4000;
  const TaskBatch batch = draw("mqar_8k", kCount, {.distance = T});
  ASSERT_EQ(batch.answers(), kCount * N);
  std::vector<int> asked(T);
  for (std::size_t a = 0; a < batch.answer_rows.size(); ++a) {
    const Index row = batch.answer_rows[a], key = row - batch.gaps[a];
    EXPECT_EQ(batch.tokens[std::size_t(key)], batch.tokens[std::size_t(row)]);
    EXPECT_EQ(batch.tokens[std::size_t(key + 1)], batch.targets[a]);
    EXPECT_GE(batch.targets[a], 4096);
    ++asked[std::size_t(row % T)];
  }
  for (Index t = 2 * N + 1; t < T; t += 2) EXPECT_EQ(asked[std::size_t(t)], 0);
  // The first question drawn falls on the first place with a share of 1/Σ g^−0.99 = 0.25, each of
  // the other three more seldom; a place without preference has N/28 = 0.14.
  EXPECT_GT(asked[2 * N], kCount / 2);
  EXPECT_GT(asked[2 * N], 5 * asked[T - 2]);
}

TEST(TaskByName, RefusesAnUnknownName) {
  EXPECT_THROW(task_by_name("second_token"), std::invalid_argument);
}

}  // namespace
}  // namespace seqbench
