#include "attention/decode.h"

#include <gtest/gtest.h>

#include <numeric>
#include <stdexcept>

#include "attention/multi_head_attention.h"
#include "core/eigen_view.h"
#include "core/elementwise.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

/// Tokens [first, first + count) of each sequence of x [B, T, D].
Tensor<double> tokens_of(const Tensor<double>& x, Index first, Index count) {
  const auto from = x.sequence();
  Tensor<double> part({from.batch, count, from.width});
  for (Index b = 0; b < from.batch; ++b) {
    as_eigen(part.sequence().sequence(b)) = as_eigen(from.sequence(b).row_block(first, count));
  }
  return part;
}

/// The layer's output for all of x at once.
Tensor<double> forward(SequenceLayer<double>& layer, const Tensor<double>& x) {
  Tensor<double> y(x.shape());
  layer.reserve({x.shape()[0], x.shape()[1]}, Pass::kForward, 1);
  layer.forward(ThreadTeam(), x.sequence(), y.sequence(), Keep::kNothing);
  return y;
}

// The last token of a sequence sees all tokens, causal or not. 1024 is the length of a cache split.
TEST(Decode, AfterPrefillEqualsForwardOnTheLongerSequence) {
  for (const auto kernel : {AttentionKernel::kNaive, AttentionKernel::kFused}) {
    for (const bool causal : {false, true}) {
      for (const Index batch : {1, 3}) {
        for (const Index context : {1, 2, 17, 1023, 1024, 1025}) {
          // The kernel only serves the prefill: at the split's edges one of them is enough.
          if (kernel == AttentionKernel::kNaive && context > 17) continue;
          const Index D = 6;
          const auto layer = make_attention<double>({D, 2, causal, kernel});
          Random random(1);
          randomise_parameters(random, *layer);
          const auto x = normal_tensor<double>(random, {batch, context + 1, D});
          const auto expected = forward(*layer, x);

          const ThreadTeam team(2);
          const auto head = tokens_of(x, 0, context), last = tokens_of(x, context, 1);
          Tensor<double> y_head(head.shape()), y({batch, D});
          layer->reserve({batch, context}, Pass::kDecode, 2);
          layer->prefill(team, head.sequence(), y_head.sequence());
          layer->decode(team, last.sequence().step(0), y.matrix());

          // Two projections of depth D and a weighted sum of depth T with its weights' errors, on
          // both sides, on terms no larger than the largest input.
          const double tolerance = 2 * std::numeric_limits<double>::epsilon() *
                                   double(4 * D + 2 * context) * max_abs(x.values());
          EXPECT_LE(max_difference(y, tokens_of(expected, context, 1)), tolerance)
              << context << causal;
          if (causal) {
            EXPECT_LE(max_difference(y_head, tokens_of(expected, 0, context)), tolerance);
          }
        }
      }
    }
  }
}

void check_continues_and_rewinds(const AttentionOptions& options) {
  const Index B = 2, T = 12, D = options.width, context = 5;
  const auto layer = make_attention<double>(options);
  Random random(2);
  randomise_parameters(random, *layer);
  const auto x = normal_tensor<double>(random, {B, T, D});
  const auto expected = forward(*layer, x);

  const ThreadTeam team;
  layer->reserve({B, T - 1}, Pass::kDecode, 1);
  const auto head = tokens_of(x, 0, context);
  Tensor<double> y_head(head.shape()), y({B, D}), again({B, D});
  layer->prefill(team, head.sequence(), y_head.sequence());
  const double tolerance =
      2 * std::numeric_limits<double>::epsilon() * double(4 * D + 2 * T) * max_abs(x.values());
  for (Index t = context; t < T; ++t) {
    layer->decode(team, x.sequence().step(t), y.matrix());
    EXPECT_LE(max_difference(y, tokens_of(expected, t, 1)), tolerance) << t;
  }
  EXPECT_THROW(layer->decode(team, x.sequence().step(0), y.matrix()), std::length_error);

  layer->rewind(T - 1);
  layer->decode(team, x.sequence().step(T - 1), again.matrix());
  EXPECT_TRUE(bit_equal(again, y));
  layer->rewind(0);  // an empty context: the token sees itself only
  layer->decode(team, x.sequence().step(0), y.matrix());
  EXPECT_LE(max_difference(y, tokens_of(expected, 0, 1)), tolerance);
}

TEST(Decode, ContinuesTokenByTokenAndRewinds) {
  check_continues_and_rewinds({.width = 8, .heads = 4, .causal = true});
  check_continues_and_rewinds({.width = 8, .heads = 2, .causal = true, .rotary = true});
}

TEST(Decode, IsBitEqualForAnyNumberOfThreads) {
  const Index B = 2, context = 2500, D = 8;
  const auto layer = make_attention<double>({D, 2, true});
  Random random(3);
  randomise_parameters(random, *layer);
  const auto x = normal_tensor<double>(random, {B, context, D});
  const auto token = normal_tensor<double>(random, {B, D});
  Tensor<double> y(x.shape()), one({B, D}), several({B, D});
  for (const int threads : {1, 2, 3, 4}) {
    const ThreadTeam team(threads);
    layer->reserve({B, context}, Pass::kDecode, threads);
    layer->prefill(team, x.sequence(), y.sequence());
    layer->decode(team, token.matrix(), (threads == 1 ? one : several).matrix());
    if (threads > 1) {
      EXPECT_TRUE(bit_equal(several, one)) << threads;
    }
  }
}

// Whole, odd and even contexts; panels of 256 keys, splits of 1024, and one more and one less of
// each; an odd d_k.
TEST(Decode, InBfloat16IsBitEqualWhereverDecodingBeginsAndHoweverItIsShared) {
  for (const Index H : {1, 2}) {
    for (const Index T : {2, 7, 258, 1026}) {
      const Index B = 2, D = 6;
      const auto layer = make_attention<float>({.width = D,
                                                .heads = H,
                                                .causal = true,
                                                .rotary = H == 2,
                                                .factors = Factors::kBfloat16});
      Random random(8);
      randomise_parameters(random, *layer);
      const auto x = normal_tensor<float>(random, {B, T, D});
      const auto last = [&](Index context, int threads) {
        const ThreadTeam team(threads);
        Tensor<float> head({B, context, D}), y_head(head.shape()), y({B, D});
        for (Index b = 0; b < B; ++b) {
          copy(x.sequence().sequence(b).row_block(0, context), head.sequence().sequence(b));
        }
        layer->reserve({B, T}, Pass::kDecode, threads);
        layer->prefill(team, std::as_const(head).sequence(), y_head.sequence());
        for (Index t = context; t < T; ++t) layer->decode(team, x.sequence().step(t), y.matrix());
        // What is appended again after a rewind stands where it stood.
        Tensor<float> again({B, D});
        layer->rewind(std::max<Index>(1, T - 3));
        for (Index t = std::max<Index>(1, T - 3); t < T; ++t) {
          layer->decode(team, x.sequence().step(t), again.matrix());
        }
        EXPECT_TRUE(bit_equal(again, y)) << T << ' ' << context;
        return y;
      };
      const auto expected = last(T - 1, 1);
      for (const Index context : {1, 2, 3}) {
        if (context >= T) continue;
        EXPECT_TRUE(bit_equal(last(context, 3), expected)) << H << ' ' << T << ' ' << context;
      }
    }
  }
}

// The formula in double, of factors as bfloat16 holds them; e^(s − m) is rounded by 2⁻⁸ of itself
// at most, and the logits of some 64 terms are float.
TEST(Decode, OfARoundedCacheIsTheFormulaOfRoundedFactors) {
  for (const Index d_k : {1, 7, 64}) {
    for (const Index context : {1, 2, 255, 257, 1023, 1025, 2049}) {
      Random random(9);
      const auto k = normal_tensor<float>(random, {context, d_k});
      const auto v = normal_tensor<float>(random, {context, d_k});
      const auto q = normal_tensor<float>(random, {1, d_k});
      const AttentionShape shape{
          .steps = context, .head_width = d_k, .factors = Factors::kBfloat16};
      DecodeWorkspace<Tensor<float>> workspace;
      allocate_buffers(decode_workspace(shape, context, 1), workspace);
      const RoundedKeyValueCache cache{
          .keys = elements_over<Bfloat16Pair>(workspace.keys.data()),
          .values = elements_over<Bfloat16Pair>(workspace.values.data()),
          .heads = 1,
          .capacity = context,
          .head_width = d_k};
      append_to_cache(
          ThreadTeam(), cache,
          CacheAppend<float>{
              .shape = shape, .k = as_one_block(k.matrix()), .v = as_one_block(v.matrix())});
      Tensor<float> output({1, d_k});
      decode_attention(ThreadTeam(), cache,
                       DecodeProblem<float>{.context = context,
                                            .q = as_one_block(q.matrix()),
                                            .output = as_one_block(output.matrix())},
                       workspace);

      const auto element = [](const Tensor<float>& tensor, Index i, Index c) {
        return double(nearest_bfloat16(tensor.matrix()(i, c)));
      };
      std::vector<double> p(std::size_t(context), 0.0);
      for (Index j = 0; j < context; ++j) {
        for (Index c = 0; c < d_k; ++c) p[std::size_t(j)] += element(q, 0, c) * element(k, j, c);
        p[std::size_t(j)] = std::exp(p[std::size_t(j)] / std::sqrt(double(d_k)));
      }
      const double sum = std::accumulate(p.begin(), p.end(), 0.0);
      for (Index c = 0; c < d_k; ++c) {
        double expected = 0, magnitude = 0;
        for (Index j = 0; j < context; ++j) {
          const double term = p[std::size_t(j)] / sum * element(v, j, c);
          expected += term;
          magnitude += std::abs(term);
        }
        EXPECT_NEAR(output[c], expected, 0x1p-8 * magnitude + 1e-5 * magnitude)
            << d_k << ' ' << context;
      }
    }
  }
}

TEST(Decode, LogitsOfAnySizeMergeOverSplits) {
  // One head of width 1; key j is j, so that the last split dwarfs the first: its last key wins.
  const Index context = 3000;
  Tensor<float> keys({context}), values({context});
  for (Index j = 0; j < context; ++j) keys[j] = 4 * float(j), values[j] = float(j);
  const KeyValueCache<float> cache{keys.data(), values.data(), 1, context, 1};
  DecodeWorkspace<Tensor<float>> workspace;
  allocate_buffers(decode_workspace({.batch = 1, .heads = 1, .head_width = 1}, context, 1),
                   workspace);
  Tensor<float> q({1, 1}), o({1, 1});
  q[0] = 100;
  decode_attention<float>(ThreadTeam(), cache,
                          {.batch = 1,
                           .context = context,
                           .q = as_one_block(std::as_const(q).matrix()),
                           .output = as_one_block(o.matrix())},
                          workspace);
  EXPECT_EQ(o[0], 2999.f);  // the next weight is e^−400, which is 0 in float
  q[0] = -100;
  decode_attention<float>(ThreadTeam(), cache,
                          {.batch = 1,
                           .context = context,
                           .q = as_one_block(std::as_const(q).matrix()),
                           .output = as_one_block(o.matrix())},
                          workspace);
  EXPECT_EQ(o[0], 0.f);
}

}  // namespace
}  // namespace seqbench
