#include "harness/base/mann_whitney.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace seqbench {
namespace {

TEST(MannWhitney, EqualsKnownExactValues) {
  // Ages of 9 people, in the documentation of scipy.stats.mannwhitneyu: U = 17, exact p = 1/9.
  EXPECT_NEAR(mann_whitney_p({.first = {19, 22, 16, 29, 24}, .second = {20, 11, 17, 12}}), 1.0 / 9,
              1e-15);
  // Complete separation: 2 orders out of C(n + m, n).
  EXPECT_NEAR(mann_whitney_p({.first = {1, 2, 3}, .second = {4, 5, 6}}), 2.0 / 20, 1e-15);
  EXPECT_NEAR(mann_whitney_p({.first = {6, 7, 8, 9, 10}, .second = {1, 2, 3, 4, 5}}), 2.0 / 252,
              1e-15);
  // One inversion from it: P(U ≤ 1) = 2 / 252.
  EXPECT_NEAR(mann_whitney_p({.first = {1, 2, 3, 4, 6}, .second = {5, 7, 8, 9, 10}}), 4.0 / 252,
              1e-15);
  EXPECT_EQ(mann_whitney_p({.first = {1, 4}, .second = {2, 3}}), 1);
}

TEST(MannWhitney, EqualsKnownValuesOfTheApproximationWithTies) {
  EXPECT_EQ(mann_whitney_p({.first = {1, 1, 1}, .second = {1, 1}}), 1);
  // U = 9.5 of mean 8, Σ t³ − t = 6, variance 16/12·(9 − 6/56).
  EXPECT_NEAR(mann_whitney_p({.first = {1, 2, 3, 4}, .second = {2, 4.5, 5, 0.5}}),
              std::erfc((9.5 - 8 - 0.5) / std::sqrt(16.0 / 12 * (9 - 6.0 / 56)) / std::sqrt(2.0)),
              1e-15);
}

TEST(MannWhitney, IsCloseToTheNormalApproximationInLargeSamples) {
  std::mt19937 draw(1);
  std::normal_distribution<double> normal;
  TwoSamples samples;
  for (int i = 0; i < 50; ++i) {
    samples.first.push_back(normal(draw));
    samples.second.push_back(normal(draw) + 0.3);
  }
  double u = 0;
  for (const double first : samples.first) {
    for (const double second : samples.second) u += second > first ? 1 : 0;
  }
  const double z = (std::abs(u - 1250) - 0.5) / std::sqrt(2500.0 / 12 * 101);
  // The next term of the Edgeworth series (Fix & Hodges 1955) on each side:
  // (n² + m² + nm + n + m) / (20·nm·(n + m + 1)) · (z³ − 3z)·φ(z), whose last factor is below 0.56.
  const double next_term = 7600.0 / (20 * 2500 * 101) * 0.56;
  EXPECT_NEAR(mann_whitney_p(samples), std::erfc(z / std::sqrt(2.0)), 2 * next_term);
}

TEST(MannWhitney, RejectsEqualDistributionsAsOftenAsItSays) {
  std::mt19937 draw(7);
  std::exponential_distribution<double> skewed;
  constexpr int kTries = 4000;
  int flagged = 0;
  for (int i = 0; i < kTries; ++i) {
    TwoSamples same;
    for (int k = 0; k < 20; ++k) {
      same.first.push_back(skewed(draw));
      same.second.push_back(skewed(draw));
    }
    flagged += mann_whitney_p(same) <= 0.05 ? 1 : 0;
  }
  // Binomial: four standard deviations of √(n·p·(1 − p)) around n·p.
  EXPECT_NEAR(flagged, 0.05 * kTries, 4 * std::sqrt(kTries * 0.05 * 0.95));
}

TEST(MannWhitney, NeedsEnoughValuesToShowAnything) {
  EXPECT_NEAR(least_mann_whitney_p({.first = {1, 2, 3}, .second = {1, 2, 3}}), 0.1, 1e-12);
  EXPECT_NEAR(least_mann_whitney_p({.first = {1}, .second = {2}}), 1, 1e-12);
}

TEST(RatioInterval, HoldsTheFactorsThatTheTestDoesNotReject) {
  std::mt19937 draw(3);
  std::lognormal_distribution<double> noise(0, 0.05);
  for (const std::size_t count : {5u, 9u, 20u, 60u}) {
    TwoSamples samples;
    for (std::size_t i = 0; i < count; ++i) {
      samples.first.push_back(noise(draw));
      samples.second.push_back(1.2 * noise(draw));
    }
    const MedianInterval ratio = ratio_interval(samples);
    EXPECT_NEAR(ratio.median, 1.2, 0.1) << count;
    const auto p_at = [&](double factor) {
      TwoSamples shifted = samples;
      for (double& value : shifted.second) value /= factor;
      return mann_whitney_p(shifted);
    };
    constexpr double kAside = 1e-9;  // of a bound, which makes two values equal
    EXPECT_GT(p_at(ratio.low * (1 + kAside)), 0.05) << count;
    EXPECT_GT(p_at(ratio.high * (1 - kAside)), 0.05) << count;
    EXPECT_LE(p_at(ratio.low * (1 - kAside)), 0.05) << count;
    EXPECT_LE(p_at(ratio.high * (1 + kAside)), 0.05) << count;
  }
}

TEST(RatioInterval, IsTheRangeWhenTheTestCannotReject) {
  const MedianInterval ratio = ratio_interval({.first = {1, 2}, .second = {2, 4}});
  EXPECT_EQ(ratio.median, 2);
  EXPECT_EQ(ratio.low, 1);
  EXPECT_EQ(ratio.high, 4);
}

}  // namespace
}  // namespace seqbench
