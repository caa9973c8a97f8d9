#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <vector>

#include "tests/harness/tasks/draw.h"

namespace seqbench {
namespace {

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

}  // namespace
}  // namespace seqbench
