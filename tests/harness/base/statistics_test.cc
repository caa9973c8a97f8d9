#include "harness/base/statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/random.h"

namespace seqbench {
namespace {

TEST(Median, TakesTheMiddleOrTheMeanOfTheTwo) {
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 2, 3}), 2.5);
  EXPECT_EQ(median({7}), 7);
}

TEST(MedianInterval, LeavesOutOneValueAtEachEndOfNine) {
  // 2·P(Binomial(9, ½) ≤ 1) = 0.039, and for two values 0.18 > 0.05.
  const MedianInterval interval = median_interval({9, 1, 8, 2, 7, 3, 6, 4, 5});
  EXPECT_EQ(interval.median, 5);
  EXPECT_EQ(interval.low, 2);
  EXPECT_EQ(interval.high, 8);
}

TEST(MedianInterval, TakesTheExtremesOfFewValues) {
  const MedianInterval interval = median_interval({3, 1, 2});
  EXPECT_EQ(interval.low, 1);
  EXPECT_EQ(interval.high, 3);
  EXPECT_EQ(interval.relative_half_width(), 0.5);
  EXPECT_EQ(median_interval({4}).low, 4);
}

TEST(MedianInterval, CoversTheTrueMedianInAtLeast95Percent) {
  Random random(1);
  constexpr int kTrials = 4000;
  for (const int n : {9, 15, 30}) {
    int covered = 0;
    for (int trial = 0; trial < kTrials; ++trial) {
      std::vector<double> values;
      for (int i = 0; i < n; ++i) values.push_back(std::exp(random.normal()));  // median 1
      const MedianInterval interval = median_interval(values);
      covered += interval.low <= 1 && 1 <= interval.high;
    }
    // Four standard deviations of a proportion of 0.95 over 4000 trials are 0.014.
    EXPECT_GE(covered, (0.95 - 0.014) * kTrials) << n;
  }
}

// Summed from the definition in whole numbers (Python, math.lgamma).
TEST(BinomialInterval, IsTheCentralOne) {
  struct Case {
    Index trials;
    double p, low, high;
  };
  for (const Case& each : {Case{1000, 0.5, 459, 541},
                           {4000, 0.25, 930, 1071},
                           {1000, 0.0625, 44, 83},
                           {100, 0.1, 3, 18},
                           {10, 0.5, 1, 9},
                           {1, 0.5, 0, 1},
                           {7, 0, 0, 0}}) {
    const CountInterval interval = binomial_interval(each.trials, each.p, 0.99);
    EXPECT_EQ(interval.low, each.low) << each.trials << " of " << each.p;
    EXPECT_EQ(interval.high, each.high) << each.trials << " of " << each.p;
  }
}

TEST(Outliers, AreFarFromTheMedianInUnitsOfTheMedianDeviation) {
  // Median 10, deviations 0 1 1 2 2 5 11: MAD 2. 0.6745 · 11 ÷ 2 = 3.7, of 5 only 1.7.
  EXPECT_EQ(outliers({10, 9, 11, 21, 8, 12, 5}), (std::vector<std::size_t>{3}));
  EXPECT_EQ(outliers({10, 9, 11, 20, 8, 12, 5}), std::vector<std::size_t>{});  // 3.4
  EXPECT_EQ(outliers({1, 1, 1, 7}), std::vector<std::size_t>{});               // no deviation
}

TEST(LineFit, FindsTheSlopeOfExactData) {
  const std::vector<double> x = {1, 2, 5}, y = {3, 1, -5};
  EXPECT_NEAR(fit_line(x, y).slope, -2, 1e-12);
  EXPECT_NEAR(fit_line(x, y).slope_high, -2, 1e-6);
  EXPECT_NEAR(fit_line(x, y).r2, 1, 1e-12);
  EXPECT_NEAR(fit_line(x, y).root(), 2.5, 1e-12);
}

TEST(PowerFit, FindsTheExponentOfExactData) {
  const std::vector<double> x = {1, 2, 4, 8}, y = {3, 12, 48, 192};
  const PowerFit fit = fit_power(x, y);
  EXPECT_NEAR(fit.exponent, 2, 1e-12);
  EXPECT_NEAR(fit.exponent_low, 2, 1e-6);
  EXPECT_NEAR(fit.exponent_high, 2, 1e-6);
  EXPECT_NEAR(fit.r2, 1, 1e-12);
}

TEST(PowerFit, IntervalMatchesAHandComputedRegression) {
  // ln x = 0 1 2, ln y = 0 1 1: slope 1/2, residual sum 1/6, standard error √(1/12), t₁ = 12.706.
  const std::vector<double> x = {1, std::exp(1.0), std::exp(2.0)};
  const std::vector<double> y = {1, std::exp(1.0), std::exp(1.0)};
  const PowerFit fit = fit_power(x, y);
  EXPECT_NEAR(fit.exponent, 0.5, 1e-12);
  EXPECT_NEAR(fit.exponent_high - fit.exponent, 12.7062 * std::sqrt(1.0 / 12), 1e-3);
  EXPECT_NEAR(fit.r2, 0.75, 1e-12);
}

TEST(PowerFit, HasNoIntervalFromTwoPoints) {
  const std::vector<double> x = {1, 2}, y = {1, 2};
  EXPECT_TRUE(std::isnan(fit_power(x, y).exponent_low));
  EXPECT_NEAR(fit_power(x, y).exponent, 1, 1e-12);
}

}  // namespace
}  // namespace seqbench
