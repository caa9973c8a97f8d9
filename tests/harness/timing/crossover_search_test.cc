#include "harness/timing/crossover_search.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace seqbench {
namespace {

/// A ratio that falls as length^−slope through 1 at `crossing`, known to a factor of `known`.
SpeedRatio ratio_at(Index length, double crossing, double known, double slope = 0.5) {
  const double value = std::pow(crossing / double(length), slope);
  return {.value = value, .low = value / known, .high = value * known};
}

Crossover search(double crossing, double guess, double known, int* calls = nullptr) {
  return find_crossover(
      {.lengths = geometric_lengths(64, 16384, 8), .guess = guess, .measure = [=](Index length) {
         if (calls != nullptr) ++*calls;
         return ratio_at(length, crossing, known);
       }});
}

TEST(CrossoverSearch, FindsTheLengthFromAnyGuess) {
  for (const double crossing : {70.0, 256.0, 700.0, 5000.0, 16000.0}) {
    for (const double guess :
         {1.0, 64.0, 700.0, 16384.0, 1e9, std::numeric_limits<double>::quiet_NaN()}) {
      const Crossover found = search(crossing, guess, 1.0001);
      EXPECT_EQ(found.status, "ok");
      EXPECT_NEAR(found.length, crossing, 1e-6 * crossing) << crossing << " from " << guess;
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
  EXPECT_LE(calls, 6);  // two of the bracket, three halvings of eight positions, and luck
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

TEST(CrossoverSearch, WithoutACrossingSaysWhoIsAhead) {
  EXPECT_EQ(search(20, 512, 1.01).status, "never_ahead");
  EXPECT_EQ(search(1e6, 512, 1.01).status, "always_ahead");
  const Crossover alone = find_crossover({.lengths = {64}, .guess = 64, .measure = [](Index) {
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
    const Crossover found = find_crossover(
        {.lengths = geometric_lengths(64, 16384, 8), .guess = 512, .measure = [&](Index length) {
           const double value =
               std::pow(700 / double(length), 0.5) * std::exp(kScatter * normal(random));
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
