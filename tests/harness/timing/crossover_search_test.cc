#include "harness/timing/crossover_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace seqbench {
namespace {

/// A ratio that falls as length^−slope through 1 at `crossing`, known to a factor of `known`.
SpeedRatio ratio_at(Index length, double crossing, double known, double slope = 0.5) {
  const double value = std::pow(crossing / double(length), slope);
  return {.value = value, .low = value / known, .high = value * known};
}

/// Both do the same work at `equal_work`; it grows with the length, more than the ratio falls.
Crossover search(double crossing, double equal_work, double known, int* calls = nullptr) {
  return find_crossover({.lengths = geometric_lengths(64, 16384, 8),
                         .work = [=](Index length) { return double(length) / equal_work; },
                         .measure =
                             [=](Index length) {
                               if (calls != nullptr) ++*calls;
                               return ratio_at(length, crossing, known);
                             }});
}

TEST(CrossoverSearch, FindsTheLengthWhereverTheWorkIsEqual) {
  for (const double crossing : {70.0, 256.0, 700.0, 5000.0, 16000.0}) {
    for (const double equal_work : {1.0, 64.0, 700.0, 16384.0, 1e9}) {
      const Crossover found = search(crossing, equal_work, 1.0001);
      EXPECT_EQ(found.status, "ok");
      EXPECT_NEAR(found.length, crossing, 1e-6 * crossing) << crossing << " from " << equal_work;
      EXPECT_LE(found.low, crossing);
      EXPECT_GE(found.high, crossing);
      // Neighbours are an eighth of an octave apart, rounded to 4 tokens.
      EXPECT_LE(found.high / found.low, 1.2) << found.low << " " << found.high;
    }
  }
}

TEST(CrossoverSearch, MeasuresFewLengthsAndNoneTwice) {
  int calls = 0;
  const Crossover found = search(700, 512, 1.0001, &calls);
  EXPECT_EQ(std::size_t(calls), found.measured.size());
  EXPECT_LE(calls, 5);
}

TEST(CrossoverSearch, MeasuresFewLengthsWhereRatesDifferByALot) {
  // Attention at three times the baseline's rate, as a wide LSTM on one sequence; the ratio falls
  // as the work grows, so that the crossing is known after one measurement, and then its
  // neighbours.
  const auto work = [](Index length) {
    return (8.0 * 1024 + 4.0 * double(length)) / (16.0 * 1024);
  };
  std::vector<Index> taken;
  const Crossover found = find_crossover(
      {.lengths = geometric_lengths(64, 16384, 8), .work = work, .measure = [&](Index length) {
         taken.push_back(length);
         const double value = 3 / work(length);
         return SpeedRatio{value, value / 1.001, value * 1.001};
       }});
  EXPECT_NEAR(found.length, 10240, 0.01 * 10240);
  EXPECT_LE(taken.size(), 4u);
  EXPECT_LE(std::ranges::max(taken), 11600);  // not 16384, which takes twice as long
}

TEST(CrossoverSearch, GoesOutwardsUntilTheIntervalsLeaveNoDoubt) {
  // Ratios known to 10 %: of a slope of ½ lengths within a factor of 1.21 may be either.
  const Crossover found = search(700, 512, 1.1);
  EXPECT_LE(found.low, 700 / 1.21);
  EXPECT_GE(found.high, 700 * 1.21);
  EXPECT_TRUE(found.measured.at(Index(found.low)).is_surely_ahead());
  EXPECT_TRUE(found.measured.at(Index(found.high)).is_surely_behind());
  EXPECT_NEAR(found.length, 700, 1e-6);
}

TEST(SpeedRatio, IsTheGeometricMeanWithItsInterval) {
  const double logarithms[] = {std::log(2.0), std::log(4.0), std::log(8.0)};
  const SpeedRatio ratio = speed_ratio_of(logarithms);
  EXPECT_DOUBLE_EQ(ratio.value, 4);
  // t(2, 0.975) = 4.302653 times log 2 / √3.
  EXPECT_NEAR(std::log(ratio.high / 4), 4.302653 * std::log(2.0) / std::sqrt(3.0), 1e-6);
  EXPECT_NEAR(ratio.low * ratio.high, 16, 1e-12);
  EXPECT_EQ(ratio.pairs, 3);
}

TEST(SpeedRatio, IsFarFromEqualByThreeHalfIntervals) {
  const auto known_to = [](double value, double factor) {
    return SpeedRatio{.value = value, .low = value / factor, .high = value * factor};
  };
  EXPECT_TRUE(is_far_from_equal(known_to(1.4, 1.1)));  // 1.1³ = 1.331
  EXPECT_TRUE(is_far_from_equal(known_to(0.7, 1.1)));
  EXPECT_FALSE(is_far_from_equal(known_to(1.3, 1.1)));
  EXPECT_FALSE(is_far_from_equal(known_to(0.8, 1.1)));
  EXPECT_FALSE(is_far_from_equal(known_to(1, 1.0001)));
}

TEST(CrossoverSearch, WithoutACrossingSaysWhoIsAhead) {
  EXPECT_EQ(search(20, 512, 1.01).status, "never_ahead");
  EXPECT_EQ(search(1e6, 512, 1.01).status, "always_ahead");
  const Crossover alone = find_crossover({.lengths = {64},
                                          .work = [](Index) { return 1.0; },
                                          .measure =
                                              [](Index) {
                                                return SpeedRatio{2, 1, 3};
                                              }});
  EXPECT_EQ(alone.status, "always_ahead");
}

TEST(CrossoverSearch, CoversTheCrossingOfNoisyRatios) {
  // Ratios that scatter by 3 %, with their 95 % interval.
  std::mt19937_64 random(20261130);
  std::normal_distribution<double> normal;
  constexpr double kScatter = 0.03;
  int covered = 0;
  constexpr int kSearches = 300;
  for (int i = 0; i < kSearches; ++i) {
    const Crossover found =
        find_crossover({.lengths = geometric_lengths(64, 16384, 8),
                        .work = [](Index length) { return double(length) / 512; },
                        .measure =
                            [&](Index length) {
                              const double value = std::pow(700 / double(length), 0.5) *
                                                   std::exp(kScatter * normal(random));
                              return SpeedRatio{.value = value,
                                                .low = value * std::exp(-1.96 * kScatter),
                                                .high = value * std::exp(1.96 * kScatter)};
                            }});
    covered += found.low <= 700 && 700 <= found.high;
    EXPECT_NEAR(found.length, 700, 0.25 * 700);
  }
  EXPECT_GE(covered, 0.95 * kSearches);
}

TEST(GeometricLengths, AscendFromTheFirstToTheLast) {
  EXPECT_EQ(geometric_lengths(64, 256, 2), (std::vector<Index>{64, 92, 128, 180, 256}));
  EXPECT_EQ(geometric_lengths(64, 64, 8), std::vector<Index>{64});
  EXPECT_EQ(geometric_lengths(1, 8, 4), (std::vector<Index>{1, 4, 8}));
}

}  // namespace
}  // namespace seqbench
