#include "harness/ranks/recurrent_pipeline.h"

#include <gtest/gtest.h>

#include "tests/harness/ranks/rank_cases.h"

namespace seqbench {
namespace {

LayerSpec recurrent(const std::string& model, Index width) {
  return {.model = model, .kernel = "persistent", .width = width};
}

/// T steps, each of sums of 2·D terms and some 8 roundings (tests/rnn/recurrent_cases.h).
double depth_of(const LayerSpec& spec, SequenceShape shape) {
  return double(shape.steps * (2 * spec.width + shape.batch + 8));
}

void expect_as_one_rank(const LayerSpec& spec, SequenceShape shape, int ranks) {
  SCOPED_TRACE(testing::Message() << spec.model << " B=" << shape.batch << " T=" << shape.steps
                                  << " P=" << ranks);
  const auto expected = step_on_one_rank<double>(spec, shape);
  const auto ours = step_over_ranks<double>(make_sequence_parallel_recurrent<double>, spec, shape,
                                            {.ranks = ranks, .steps = 2});
  expect_equal_within_rounding(ours, expected, depth_of(spec, shape));
  EXPECT_TRUE(bit_equal(forward_over_ranks<double>(make_sequence_parallel_recurrent<double>, spec,
                                                   shape, {.ranks = ranks, .steps = 2}),
                        ours.y));
}

TEST(RecurrentPipeline, EqualsOneRank) {
  for (const char* const model : {"elman", "lstm", "gru"}) {
    for (const int ranks : {1, 2, 3, 4, 5}) {
      for (const Index steps : {ranks + 0, ranks + 1, 23}) {
        for (const Index batch : {1, 3, 16}) {
          expect_as_one_rank(recurrent(model, 5), {.batch = batch, .steps = steps}, ranks);
        }
      }
    }
  }
}

TEST(RecurrentPipeline, EqualsOneRankBeyondAVector) {
  for (const char* const model : {"elman", "lstm", "gru"}) {
    expect_as_one_rank(recurrent(model, 67), {.batch = 7, .steps = 9}, 3);
  }
}

TEST(RecurrentPipeline, IsBitEqualForAnyThreadsAndTwice) {
  for (const char* const model : {"elman", "lstm", "gru"}) {
    const LayerSpec spec = recurrent(model, 33);
    const auto run = [&](int threads) {
      return step_over_ranks<float>(make_sequence_parallel_recurrent<float>, spec,
                                    {.batch = 9, .steps = 17}, {.ranks = 3, .threads = threads});
    };
    const auto once = run(1);
    expect_bit_equal(run(1), once);
    expect_bit_equal(run(2), once);
    expect_bit_equal(run(3), once);
  }
}

TEST(RecurrentPipeline, SendsWhatItDeclares) {
  for (const char* const model : {"elman", "lstm", "gru"}) {
    const LayerSpec spec = recurrent(model, 4);
    for (const Pass pass : {Pass::kForward, Pass::kTrain}) {
      const SequenceShape shape{.batch = 5, .steps = 7};
      const auto sent =
          bytes_sent_by_ranks(make_sequence_parallel_recurrent<float>, spec, shape, pass, 3);
      for (int rank = 0; rank < 3; ++rank) {
        EXPECT_EQ(sent[std::size_t(rank)],
                  recurrent_pipeline_sends(spec, shape, pass, {rank, 3}, sizeof(float)).bytes)
            << model << ' ' << rank;
      }
    }
  }
}

TEST(RecurrentPipeline, HasSeveralGroupsOfMoreThanOneSequence) {
  EXPECT_EQ(pipeline_groups(1, 4), 1);
  EXPECT_EQ(pipeline_bound(1, 4), 0.25);
  for (int ranks = 1; ranks <= 8; ++ranks) {
    for (const Index batch : {1, 2, 3, 5, 16, 64}) {
      const Index groups = pipeline_groups(batch, ranks);
      EXPECT_GE(groups, 1);
      EXPECT_LE(groups, batch);
      EXPECT_EQ(pipeline_bound(batch, ranks), double(groups) / double(groups + ranks - 1));
      if (batch < 16) continue;
      EXPECT_EQ(groups > 1, ranks > 1) << batch;
    }
  }
}

TEST(RecurrentPipeline, SaysWhatItLacks) {
  LayerSpec spec = recurrent("lstm", 8);
  EXPECT_EQ(reason_against_recurrent_pipeline(spec, {.steps = 3}, 3), "");
  EXPECT_EQ(reason_against_recurrent_pipeline(spec, {.steps = 2}, 3), "2 steps for 3 ranks");
  spec.factors = Factors::kBfloat16;
  EXPECT_NE(reason_against_recurrent_pipeline(spec, {.steps = 3}, 3), "");
  for (const char* const kernel : {"stepwise", "hoisted", "newton"}) {
    spec = recurrent("lstm", 8);
    spec.kernel = kernel;
    EXPECT_NE(reason_against_recurrent_pipeline(spec, {.steps = 3}, 3), "");
    run_local_ranks(1, [&](Communicator& ranks) {
      EXPECT_THROW(make_sequence_parallel_recurrent<float>(spec, ranks), std::invalid_argument);
    });
  }
}

}  // namespace
}  // namespace seqbench
