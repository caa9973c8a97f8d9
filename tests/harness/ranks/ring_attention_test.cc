#include "harness/ranks/ring_attention.h"

#include <gtest/gtest.h>

#include "attention/fused_tile.h"
#include "tests/harness/ranks/rank_cases.h"

namespace seqbench {
namespace {

LayerSpec attention(Index width, Index heads, bool causal) {
  return {
      .model = "attention", .kernel = "fused", .width = width, .heads = heads, .causal = causal};
}

/// Projections of depth D at either end, scores and sums of T, forward and backward.
double depth_of(const LayerSpec& spec, SequenceShape shape) {
  return double(8 * spec.width + 4 * shape.steps);
}

void expect_as_one_rank(const LayerSpec& spec, SequenceShape shape, int ranks) {
  SCOPED_TRACE(testing::Message() << "B=" << shape.batch << " T=" << shape.steps
                                  << " causal=" << spec.causal << " P=" << ranks);
  const auto expected = step_on_one_rank<double>(spec, shape);
  const auto ours = step_over_ranks<double>(make_sequence_parallel_attention<double>, spec, shape,
                                            {.ranks = ranks, .steps = 2});
  expect_equal_within_rounding(ours, expected, depth_of(spec, shape));
  EXPECT_TRUE(bit_equal(forward_over_ranks<double>(make_sequence_parallel_attention<double>, spec,
                                                   shape, {.ranks = ranks, .steps = 2}),
                        ours.y));
}

TEST(RingAttention, EqualsOneRank) {
  for (const bool causal : {false, true}) {
    for (const int ranks : {1, 2, 3, 4, 5}) {
      // One step a rank; ranks without a late chunk; chunks of one step, and of uneven ones.
      for (const Index steps : {ranks + 0, ranks + 1, 2 * ranks, 2 * ranks + 3, 61}) {
        for (const Index batch : {1, 3}) {
          expect_as_one_rank(attention(6, 3, causal), {.batch = batch, .steps = steps}, ranks);
        }
      }
    }
  }
}

// Blocks beyond a tile of keys, in several chunks of backward where heads are few, in one where
// they are many.
TEST(RingAttention, EqualsOneRankBeyondATile) {
  for (const bool causal : {false, true}) {
    for (const int ranks : {2, 3}) {
      expect_as_one_rank(attention(4, 1, causal), {.batch = 1, .steps = 5 * kKeyTile + 1}, ranks);
      expect_as_one_rank(attention(4, 2, causal), {.batch = 16, .steps = 2 * kKeyTile + 7}, ranks);
    }
  }
}

TEST(RingAttention, PositionsAreThoseOfTheWholeSequence) {
  for (const bool causal : {false, true}) {
    LayerSpec spec = attention(6, 2, causal);
    spec.rotary = true;
    for (const int ranks : {1, 2, 5}) expect_as_one_rank(spec, {.batch = 3, .steps = 23}, ranks);
  }
}

TEST(RingAttention, BiasesMayBeLeftOut) {
  LayerSpec spec = attention(6, 2, true);
  spec.biases = false;
  expect_as_one_rank(spec, {.batch = 2, .steps = 17}, 3);
}

TEST(RingAttention, IsBitEqualForAnyThreadsAndTwice) {
  for (const bool causal : {false, true}) {
    const LayerSpec spec = attention(8, 2, causal);
    const SequenceShape shape{.batch = 2, .steps = 3 * kKeyTile + 5};
    const auto run = [&](int threads) {
      return step_over_ranks<float>(make_sequence_parallel_attention<float>, spec, shape,
                                    {.ranks = 3, .threads = threads});
    };
    const auto once = run(1);
    expect_bit_equal(run(1), once);
    expect_bit_equal(run(2), once);
    expect_bit_equal(run(3), once);
    const auto exact = step_on_one_rank<float>(spec, shape);
    expect_equal_within_rounding(once, exact, depth_of(spec, shape));
  }
}

TEST(RingAttention, SendsWhatItDeclares) {
  for (const bool causal : {false, true}) {
    const LayerSpec spec = attention(6, 2, causal);
    for (const int ranks : {1, 2, 3, 5}) {
      for (const Pass pass : {Pass::kForward, Pass::kTrain}) {
        const SequenceShape shape{.batch = 2, .steps = 2 * ranks + 3};
        const auto sent =
            bytes_sent_by_ranks(make_sequence_parallel_attention<float>, spec, shape, pass, ranks);
        for (int rank = 0; rank < ranks; ++rank) {
          EXPECT_EQ(sent[std::size_t(rank)],
                    ring_attention_sends(spec, shape, pass, {rank, ranks}, sizeof(float)).bytes)
              << causal << ' ' << rank << " of " << ranks;
        }
      }
    }
  }
}

// x, y and the workspace of a rank against those of one that has all: the bar of issue 29.
TEST(RingAttention, MemoryOfAForwardPassIsSharedOut) {
  LayerSpec spec = attention(256, 4, true);
  const SequenceShape shape{.batch = 1, .steps = 65536};
  const double tokens = 2.0 * 65536 * 256 * sizeof(float);
  const double one = declared_cost(spec, shape, Pass::kForward, 1).workspace_bytes + tokens;
  run_local_ranks(4, [&](Communicator& ranks) {
    const auto layer = make_sequence_parallel_attention<float>(spec, ranks);
    EXPECT_LE(layer->workspace_bytes(shape, Pass::kForward, 1) + tokens / 4, 0.3 * one);
  });
}

TEST(RingAttention, ReservesWhatItDeclares) {
  for (const Pass pass : {Pass::kForward, Pass::kTrain}) {
    run_local_ranks(3, [&](Communicator& ranks) {
      const auto layer = make_sequence_parallel_attention<float>(attention(64, 2, true), ranks);
      const double small = layer->workspace_bytes({1, 100}, pass, 1);
      EXPECT_GT(small, 3.0 * 64 * 33 * sizeof(float));
      EXPECT_GT(layer->workspace_bytes({2, 100}, pass, 2), small);
    });
  }
}

TEST(RingAttention, SaysWhatItLacks) {
  const LayerSpec fused = attention(8, 2, true);
  EXPECT_EQ(reason_against_ring_attention(fused, {.steps = 3}, 3), "");
  EXPECT_EQ(reason_against_ring_attention(fused, {.steps = 2}, 3), "2 steps for 3 ranks");
  LayerSpec other = fused;
  other.kernel = "naive";
  EXPECT_NE(reason_against_ring_attention(other, {.steps = 3}, 3), "");
  other = fused;
  other.factors = Factors::kBfloat16;
  EXPECT_NE(reason_against_ring_attention(other, {.steps = 3}, 3), "");
  other = fused;
  other.uniform = true;
  EXPECT_NE(reason_against_ring_attention(other, {.steps = 3}, 3), "");
  run_local_ranks(1, [&](Communicator& ranks) {
    EXPECT_THROW(make_sequence_parallel_attention<float>(other, ranks), std::invalid_argument);
  });
}

}  // namespace
}  // namespace seqbench
