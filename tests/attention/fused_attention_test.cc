#include <gtest/gtest.h>

#include "attention/fused_tile.h"
#include "attention/fused_workspace.h"
#include "core/bfloat16.h"
#include "core/eigen_view.h"
#include "tests/attention/attention_data.h"

namespace seqbench {
namespace {

void expect_kernels_agree(const AttentionShape& shape) {
  SCOPED_TRACE(testing::Message() << "B=" << shape.batch << " T=" << shape.steps
                                  << " H=" << shape.heads << " d_k=" << shape.head_width
                                  << " causal=" << shape.causal);
  const auto data = random_attention<float>(shape, 2);
  const auto naive = run_kernel(Kernel::kNaive, data);
  const auto fused = run_kernel(Kernel::kFused, data);
  const auto bounds = attention_bounds(data);
  EXPECT_LE(max_difference(fused.o, naive.o), bounds.o);
  EXPECT_LE(max_difference(fused.dq, naive.dq), bounds.dq);
  EXPECT_LE(max_difference(fused.dk, naive.dk), bounds.dk);
  EXPECT_LE(max_difference(fused.dv, naive.dv), bounds.dv);
}

TEST(FusedAttention, MatchesNaiveAroundTheTileSizes) {
  for (const bool causal : {false, true}) {
    constexpr Index Q = kQueryTile<float>, K = kKeyTile;
    // Past the query tiles that share a pass over the keys, too.
    for (const Index steps : {Index{1}, Index{2}, Q - 1, Q, Q + 1, K - 1, K, K + 1, 2 * K + 1,
                              (kForwardTaskTiles + 1) * Q + 3}) {
      expect_kernels_agree(
          {.batch = 2, .steps = steps, .heads = 2, .head_width = 16, .causal = causal});
    }
  }
}

/// The fused kernel in bfloat16 against naive in double, on rounded Q, K, V and dO. Every e^(s − m)
/// is rounded by 2⁻⁹ of itself at most before it meets V, and so is O by that of the largest |v|.
/// dS is a difference of dP and delta, each of which is off by that, rounded once more; the signs
/// are random.
void expect_rounded_kernel_agrees(const AttentionShape& shape) {
  SCOPED_TRACE(testing::Message() << "T=" << shape.steps << " d_k=" << shape.head_width
                                  << " causal=" << shape.causal);
  AttentionShape rounds = shape;
  rounds.factors = Factors::kBfloat16;
  const auto data = random_attention<float>(rounds, 4);
  const auto ours = run_kernel(Kernel::kFused, data);
  const auto of_team = run_kernel(Kernel::kFused, data, ThreadTeam(3));
  EXPECT_TRUE(bit_equal(of_team.o, ours.o));
  EXPECT_TRUE(bit_equal(of_team.dq, ours.dq));
  EXPECT_TRUE(bit_equal(of_team.dk, ours.dk));
  EXPECT_TRUE(bit_equal(of_team.dv, ours.dv));

  auto rounded = convert<double>(data);
  rounded.shape.factors = Factors::kAsTheyAre;
  for (double& factor : rounded.projection.values()) factor = nearest_bfloat16(float(factor));
  for (double& factor : rounded.d_output.values()) factor = nearest_bfloat16(float(factor));
  const auto exact = run_kernel(Kernel::kNaive, rounded);
  const auto expect_close = [](const Tensor<float>& actual, const Tensor<double>& expected,
                               double bound, const char* what) {
    for (Index i = 0; i < actual.size(); ++i) {
      ASSERT_NEAR(actual[i], expected[i], bound) << what << " at " << i;
    }
  };
  constexpr double kUnit = 0x1p-9;
  const auto bounds = attention_bounds(data);
  const double largest = max_abs(std::as_const(rounded.projection).values());
  const double largest_do = max_abs(std::as_const(rounded.d_output).values());
  // Of a term of dS/√d_k, of which each query has some near one key.
  const double term = largest_do * largest * std::sqrt(double(shape.head_width));
  const auto of = [&](const Tensor<double>& expected, double float_bound) {
    return 4 * kUnit * (max_abs(expected.values()) + term) + float_bound;
  };
  expect_close(ours.o, exact.o, kUnit * largest + bounds.o, "O");
  expect_close(ours.dv, exact.dv, of(exact.dv, bounds.dv), "dV");
  expect_close(ours.dq, exact.dq, of(exact.dq, bounds.dq), "dQ");
  expect_close(ours.dk, exact.dk, of(exact.dk, bounds.dk), "dK");
}

TEST(FusedAttention, InBfloat16MatchesNaiveOnRoundedFactors) {
  constexpr Index Q = kQueryTile<float>, K = kKeyTile;
  for (const bool causal : {false, true}) {
    for (const Index steps : {Index{1}, Index{2}, Q - 1, Q, Q + 1, K - 1, K, K + 1, 2 * K + 1,
                              (kForwardTaskTiles + 1) * Q + 3}) {
      expect_rounded_kernel_agrees(
          {.batch = 2, .steps = steps, .heads = 2, .head_width = 16, .causal = causal});
    }
    for (const Index head_width : {1, 3, 17, 64}) {
      expect_rounded_kernel_agrees(
          {.batch = 1, .steps = K + 3, .heads = 3, .head_width = head_width, .causal = causal});
    }
  }
}

TEST(FusedAttention, MatchesNaiveForOddHeadWidths) {
  for (const bool causal : {false, true}) {
    for (const Index head_width : {1, 3, 17, 33, 129}) {
      expect_kernels_agree({.batch = 1,
                            .steps = kKeyTile + 3,
                            .heads = 3,
                            .head_width = head_width,
                            .causal = causal});
    }
  }
}

// With B·H = 1 each key tile is a chunk, with 8 two tiles are, with 16 all keys are one.
TEST(FusedAttention, MatchesNaiveForOneAndSeveralChunksOfKeys) {
  for (const bool causal : {false, true}) {
    for (const Index batch : {1, 8, 16}) {
      const AttentionShape shape{batch, 3 * kKeyTile + 1, 1, 8, causal};
      const auto workspace = fused_workspace<float>(shape, Pass::kTrain, 1);
      EXPECT_EQ(workspace.chunk_keys, kKeyTile * (batch == 1 ? 1 : batch == 8 ? 2 : 4));
      const BufferShape& shares = workspace.query_gradients;
      EXPECT_EQ(shares.empty() ? 0 : shares[1], batch == 1 ? 4 : batch == 8 ? 2 : 0);
      expect_kernels_agree(shape);
    }
  }
}

// The last chunk starts in the later half of a tile, whose earlier half sees none of its keys.
TEST(FusedAttention, MatchesNaiveWhereOnlyTheLaterHalfOfATileSeesAChunk) {
  constexpr Index kChunks = 9;
  const AttentionShape shape{1, kChunks * kKeyTile, 1, 8, true};
  ASSERT_GE((kChunks - 1) * kKeyTile % kQueryTile<float>, kQueryTile<float> / 2);
  expect_kernels_agree(shape);
}

TEST(FusedAttention, IsBitEqualForAnyNumberOfThreads) {
  for (const bool causal : {false, true}) {
    const auto data = random_attention<float>({1, 2 * kKeyTile + 5, 1, 12, causal}, 3);
    const auto one = run_kernel(Kernel::kFused, data);
    for (const int threads : {2, 3, 4}) {
      const auto several = run_kernel(Kernel::kFused, data, ThreadTeam(threads));
      EXPECT_TRUE(bit_equal(several.o, one.o)) << threads;
      EXPECT_TRUE(bit_equal(several.dq, one.dq)) << threads;
      EXPECT_TRUE(bit_equal(several.dk, one.dk)) << threads;
      EXPECT_TRUE(bit_equal(several.dv, one.dv)) << threads;
    }
  }
}

/// max_i ‖x_i‖ over the rows of one head.
template <typename T>
double largest_row_norm(const AttentionData<T>& data, MatrixView<const T> view) {
  double largest = 0;
  for (Index head = 0; head < data.shape.batch * data.shape.heads; ++head) {
    const auto rows = head_of(view, data.shape, head / data.shape.heads, head % data.shape.heads);
    largest = std::max(largest, double(as_eigen(rows).rowwise().norm().maxCoeff()));
  }
  return largest;
}

/// Against double precision at most twice naive's error, plus four roundings of the largest value
/// that goes into the sum.
void expect_as_accurate_as_naive(const AttentionData<float>& data) {
  const auto exact = run_kernel(Kernel::kNaive, convert<double>(data));
  const auto naive = run_kernel(Kernel::kNaive, data);
  const auto fused = run_kernel(Kernel::kFused, data);
  const double eps = std::numeric_limits<float>::epsilon();
  const double scale = 1 / std::sqrt(double(data.shape.head_width));
  const double v = largest_row_norm(data, data.part(2));
  const double dp = v * largest_row_norm(data, data.d_output.matrix());
  const double q = largest_row_norm(data, data.part(0)), k = largest_row_norm(data, data.part(1));
  const auto expect = [&](const char* name, const Tensor<float>& a, const Tensor<float>& n,
                          const Tensor<double>& e, double magnitude) {
    EXPECT_LE(max_difference(a, e), 2 * max_difference(n, e) + 4 * eps * magnitude) << name;
  };
  expect("O", fused.o, naive.o, exact.o, v);
  expect("dQ", fused.dq, naive.dq, exact.dq, dp * k * scale);
  expect("dK", fused.dk, naive.dk, exact.dk, dp * q * scale);
  expect("dV", fused.dv, naive.dv, exact.dv, dp);
}

TEST(FusedAttention, IsAsAccurateAsNaiveForLogitsOfAnySize) {
  for (const bool causal : {false, true}) {
    for (const double deviation : {1.0, 100.0, 5000.0}) {  // normal: |logit| up to some 2·10⁴
      // Of fewer rows the largest error of naive is too much a matter of the draw to compare with.
      for (const Index steps : {Index{1}, kKeyTile - 1, 2 * kKeyTile + 1}) {
        for (const Index head_width : {16, 64}) {
          SCOPED_TRACE(testing::Message() << deviation << " T=" << steps << " d_k=" << head_width);
          expect_as_accurate_as_naive(
              random_attention<float>({1, steps, 2, head_width, causal}, 4, deviation));
        }
      }
    }
  }
}

/// Q and K constant, so that every logit is `logit`.
AttentionData<float> equal_logits(const AttentionShape& shape, float logit) {
  auto data = random_attention<float>(shape, 5);
  const float root = std::sqrt(float(shape.head_width));
  const auto qkv = data.projection.matrix();
  as_eigen(qkv.column_block(0, data.width())).setConstant(logit / root);
  as_eigen(qkv.column_block(data.width(), data.width())).setConstant(1);
  return data;
}

TEST(FusedAttention, EqualLogitsWeighAllKeysAlike) {
  for (const float logit : {0.f, 10000.f, -10000.f}) {
    // d_k = 4: √d_k = 2 keeps every logit exact.
    const auto data = equal_logits({1, kKeyTile + 2, 1, 4, true}, logit);
    const auto result = run_kernel(Kernel::kFused, data);
    for (Index i = 0; i < data.shape.steps; ++i) {
      const auto seen = as_eigen(data.part(2).row_block(0, i + 1)).cast<double>().eval();
      for (Index c = 0; c < 4; ++c) {
        // A sum of i + 1 weights of 1, its reciprocal and a product: i + 3 roundings.
        const double tolerance =
            std::numeric_limits<float>::epsilon() * double(i + 3) * seen.cwiseAbs().maxCoeff();
        EXPECT_NEAR(result.o.matrix()(i, c), seen.col(c).mean(), tolerance) << i;
      }
    }
    expect_as_accurate_as_naive(data);
  }
}

TEST(FusedAttention, RisingLogitsRescaleWhatWasSeenBefore) {
  // Key j scores 3·j: each new tile moves every row's maximum.
  const Index steps = 3 * kKeyTile;
  auto data = random_attention<float>({1, steps, 1, 1, false}, 6);
  for (Index j = 0; j < steps; ++j) {
    data.projection.matrix()(j, 0) = 1;
    data.projection.matrix()(j, 1) = 3 * float(j);
  }
  expect_as_accurate_as_naive(data);
}

TEST(FusedAttention, SingleKeyReturnsItsValue) {
  const auto data = random_attention<float>({2, 1, 3, 5, false}, 7, 5000);
  const auto result = run_kernel(Kernel::kFused, data);
  for (Index b = 0; b < 2; ++b) {
    for (Index c = 0; c < 15; ++c) {
      EXPECT_EQ(result.o.matrix()(b, c), data.part(2)(b, c));
      EXPECT_EQ(result.dv.matrix()(b, c), data.d_output.matrix()(b, c));
    }
  }
}

TEST(FusedAttention, CausalOutputDoesNotDependOnLaterTokens) {
  const Index steps = 2 * kKeyTile + 1;
  auto data = random_attention<float>({1, steps, 2, 4, true}, 8);
  const auto before = run_kernel(Kernel::kFused, data);
  for (const Index changed : {Index{1}, kQueryTile<float>, kKeyTile + 3, steps - 1}) {
    auto other = convert<float>(data);
    for (float& value : other.projection.values().subspan(std::size_t(changed * 3 * 8))) {
      value = 50 - value;
    }
    const auto after = run_kernel(Kernel::kFused, other);
    for (Index i = 0; i < changed * 8; ++i) ASSERT_EQ(after.o[i], before.o[i]) << changed;
    EXPECT_NE(after.o.matrix()(changed, 0), before.o.matrix()(changed, 0));
  }
}

}  // namespace
}  // namespace seqbench
