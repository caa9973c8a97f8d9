#include "harness/ranks/mingru_over_ranks.h"

#include <gtest/gtest.h>

#include "tests/harness/ranks/rank_cases.h"

namespace seqbench {
namespace {

LayerSpec mingru(Index width, bool linear = false) {
  return {.model = "mingru", .kernel = "scan", .width = width, .linear_candidate = linear};
}

/// T steps, each of sums of 2·D terms and some 8 roundings (tests/rnn/recurrent_cases.h).
double depth_of(const LayerSpec& spec, SequenceShape shape) {
  return double(shape.steps * (2 * spec.width + shape.batch + 8));
}

void expect_as_one_rank(const LayerSpec& spec, SequenceShape shape, int ranks) {
  SCOPED_TRACE(testing::Message() << "B=" << shape.batch << " T=" << shape.steps << " P=" << ranks
                                  << " linear=" << spec.linear_candidate);
  const auto expected = step_on_one_rank<double>(spec, shape);
  const auto ours = step_over_ranks<double>(make_sequence_parallel_mingru<double>, spec, shape,
                                            {.ranks = ranks, .steps = 2});
  expect_equal_within_rounding(ours, expected, depth_of(spec, shape));
  EXPECT_TRUE(bit_equal(forward_over_ranks<double>(make_sequence_parallel_mingru<double>, spec,
                                                   shape, {.ranks = ranks, .steps = 2}),
                        ours.y));
}

TEST(MinGruOverRanks, EqualsOneRank) {
  for (const bool linear : {false, true}) {
    for (const int ranks : {1, 2, 3, 4, 5}) {
      for (const Index steps : {ranks + 0, ranks + 1, 23}) {
        for (const Index batch : {1, 3, 16}) {
          expect_as_one_rank(mingru(5, linear), {.batch = batch, .steps = steps}, ranks);
        }
      }
    }
  }
}

TEST(MinGruOverRanks, EqualsOneRankBeyondATile) {
  expect_as_one_rank(mingru(67), {.batch = 3, .steps = 350}, 3);
}

TEST(MinGruOverRanks, IsBitEqualForAnyThreadsAndTwice) {
  const LayerSpec spec = mingru(130);
  const auto run = [&](int threads) {
    return step_over_ranks<float>(make_sequence_parallel_mingru<float>, spec,
                                  {.batch = 3, .steps = 200}, {.ranks = 3, .threads = threads});
  };
  const auto once = run(1);
  expect_bit_equal(run(1), once);
  expect_bit_equal(run(2), once);
  expect_bit_equal(run(3), once);
}

TEST(MinGruOverRanks, SendsWhatItDeclares) {
  for (const Pass pass : {Pass::kForward, Pass::kTrain}) {
    const SequenceShape shape{.batch = 5, .steps = 7};
    const auto sent =
        bytes_sent_by_ranks(make_sequence_parallel_mingru<float>, mingru(4), shape, pass, 3);
    for (int rank = 0; rank < 3; ++rank) {
      EXPECT_EQ(sent[std::size_t(rank)],
                mingru_over_ranks_sends(mingru(4), shape, pass, {rank, 3}, sizeof(float)).bytes)
          << rank;
    }
  }
}

TEST(MinGruOverRanks, SaysWhatItLacks) {
  LayerSpec spec = mingru(8);
  EXPECT_EQ(reason_against_mingru_over_ranks(spec, {.steps = 3}, 3), "");
  EXPECT_EQ(reason_against_mingru_over_ranks(spec, {.steps = 2}, 3), "2 steps for 3 ranks");
  spec.factors = Factors::kBfloat16;
  EXPECT_NE(reason_against_mingru_over_ranks(spec, {.steps = 3}, 3), "");
  spec = mingru(8);
  spec.kernel = "stepwise";
  EXPECT_NE(reason_against_mingru_over_ranks(spec, {.steps = 3}, 3), "");
  run_local_ranks(1, [&](Communicator& ranks) {
    EXPECT_THROW(make_sequence_parallel_mingru<float>(spec, ranks), std::invalid_argument);
  });
}

}  // namespace
}  // namespace seqbench
