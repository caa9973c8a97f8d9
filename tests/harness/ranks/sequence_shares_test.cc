#include "harness/ranks/sequence_shares.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace seqbench {
namespace {

TEST(RankPlace, GoesRound) {
  const RankPlace place{.rank = 1, .ranks = 3};
  EXPECT_EQ(place.next(), 2);
  EXPECT_EQ(place.previous(), 0);
  EXPECT_EQ(place.before(0), 1);
  EXPECT_EQ(place.before(2), 2);
  EXPECT_EQ(place.before(3), 1);
  EXPECT_TRUE((RankPlace{0, 1}.is_first()));
  EXPECT_TRUE((RankPlace{0, 1}.is_last()));
}

/// How often each step is someone's.
template <typename StepsOf>
std::vector<int> owners(Index steps, int ranks, const StepsOf& steps_of) {
  std::vector<int> count(std::size_t(steps), 0);
  for (int rank = 0; rank < ranks; ++rank) {
    Index end = 0;
    for (const Part& part : steps_of(RankPlace{rank, ranks})) {
      EXPECT_GE(part.first, end);
      EXPECT_GT(part.count, 0);
      end = part.first + part.count;
      for (Index t = part.first; t < end; ++t) ++count[std::size_t(t)];
    }
  }
  return count;
}

TEST(SequenceShares, EveryStepHasOneRankAndEveryRankAStep) {
  for (int ranks = 1; ranks <= 6; ++ranks) {
    for (Index steps = ranks; steps < 30; ++steps) {
      const std::vector<int> once(std::size_t(steps), 1);
      EXPECT_EQ(
          owners(steps, ranks,
                 [&](const RankPlace& place) { return std::vector{block_of_steps(steps, place)}; }),
          once);
      EXPECT_EQ(
          owners(steps, ranks, [&](const RankPlace& place) { return zig_zag_steps(steps, place); }),
          once);
      for (int rank = 0; rank < ranks; ++rank) {
        EXPECT_GE(steps_in(zig_zag_steps(steps, {rank, ranks})), 1);
      }
    }
  }
}

TEST(SequenceShares, ZigZagGivesEachRankAsManyPairs) {
  constexpr int kRanks = 4;
  constexpr Index kChunk = 10;
  Index pairs[kRanks] = {};
  for (int rank = 0; rank < kRanks; ++rank) {
    for (const Part& part : zig_zag_steps(2 * kRanks * kChunk, {rank, kRanks})) {
      for (Index t = part.first; t < part.first + part.count; ++t) pairs[rank] += t + 1;
    }
  }
  for (const Index of_rank : pairs) EXPECT_EQ(of_rank, pairs[0]);
}

TEST(SequenceShares, SaysWhereStepsAreTooFew) {
  EXPECT_EQ(reason_against_steps(3, 3), "");
  EXPECT_EQ(reason_against_steps(2, 3), "2 steps for 3 ranks");
}

}  // namespace
}  // namespace seqbench
