#include "attention/fused_tile.h"

#include <gtest/gtest.h>

#include "core/eigen_view.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

constexpr Index kQueries = kQueryTile<float>;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Logits below are such that an exponent s − m is at least −12: rounding it, the factor and their
// product by half an eps each changes e^(s − m) by 18 eps at most, exp2 itself by 3, the products
// behind it by 1 each.
constexpr double kExponentialError = 32 * double(std::numeric_limits<float>::epsilon());

Tensor<float> logits(Random& random, Index keys) {
  Tensor<float> tensor({keys, kQueries});
  fill_uniform(random, tensor.values(), -4, 4);
  return tensor;
}

TEST(RowRange, KeepsWhatLiesBetween) {
  const RowRange rows{.first = 10, .count = 5};
  EXPECT_EQ(rows.end(), 15);
  const auto between = [&](Index from, Index to) {
    const RowRange kept = rows.between(from, to);
    return std::pair(kept.first, kept.count);
  };
  EXPECT_EQ(between(0, 100), std::pair(Index{10}, Index{5}));
  EXPECT_EQ(between(12, 14), std::pair(Index{12}, Index{2}));
  EXPECT_EQ(between(0, 11), std::pair(Index{10}, Index{1}));
  EXPECT_EQ(between(0, 10).second, 0);
  EXPECT_EQ(between(15, 20).second, 0);
}

TEST(TilePosition, HidesKeysBehindItsFirstQuery) {
  EXPECT_FALSE((TilePosition{.causal = true, .query = 9, .key = 0}.hides_some_of(10)));
  EXPECT_TRUE((TilePosition{.causal = true, .query = 8, .key = 0}.hides_some_of(10)));
  EXPECT_TRUE((TilePosition{.causal = true, .query = 9, .key = 1}.hides_some_of(10)));
  EXPECT_FALSE((TilePosition{.causal = false, .query = 0, .key = 5}.hides_some_of(10)));
}

TEST(SharesOf, TheEarlierHalfMeetsNoKeyThatOnlyTheLaterSees) {
  constexpr Index kHalf = kQueries / 2;
  const RowRange queries{kQueries, kQueries}, keys{0, 2 * kQueries};
  const auto causal = shares_of<float>(queries, keys, true);
  EXPECT_EQ(causal[0].first_query, 0);
  EXPECT_EQ(causal[0].keys.first, 0);
  EXPECT_EQ(causal[0].keys.end(), kQueries + kHalf);
  EXPECT_EQ(causal[1].first_query, kHalf);
  EXPECT_EQ(causal[1].keys.first, kQueries + kHalf);
  EXPECT_EQ(causal[1].keys.end(), 2 * kQueries);
  // No later half: the last of a sequence's queries.
  const auto few = shares_of<float>({kQueries, 3}, keys, true);
  EXPECT_EQ(few[0].keys.end(), kQueries + 3);
  EXPECT_EQ(few[1].keys.count, 0);
  const auto all = shares_of<float>(queries, keys, false);
  EXPECT_EQ(all[0].keys.count, 2 * kQueries);
  EXPECT_EQ(all[1].keys.count, 0);
}

TEST(TransposeQueries, FillsATileWithZeros) {
  Random random(1);
  const auto rows = normal_tensor<float>(random, {3, 5});
  Tensor<float> to({5, kQueries});
  std::ranges::fill(to.values(), 7.0f);
  transpose_queries(rows.matrix(), to.matrix());
  for (Index c = 0; c < 5; ++c) {
    for (Index i = 0; i < kQueries; ++i) {
      ASSERT_EQ(to.matrix()(c, i), i < 3 ? rows.matrix()(i, c) : 0) << c << "," << i;
    }
  }
}

TEST(HideLaterKeys, LeavesEachQueryItsOwnAndEarlierOnes) {
  constexpr Index kKeys = kQueries + 3;
  for (const Index ahead : {-2, 0, 2}) {  // of the first key, the first query is
    Tensor<float> tile({kKeys, kQueries});
    hide_later_keys(tile.matrix(), {.causal = true, .query = 100 + ahead, .key = 100});
    for (Index j = 0; j < kKeys; ++j) {
      for (Index i = 0; i < kQueries; ++i) {
        ASSERT_EQ(tile.matrix()(j, i), j <= i + ahead ? 0 : -kInfinity) << j << "," << i;
      }
    }
  }
}

// Two tiles, one after the other: the second moves the maximum of every other query. d_k = 1.
TEST(ExponentiateTile, KeepsTheSoftmaxOnline) {
  constexpr Index kKeys = 7, kRows = 2;
  Random random(2);
  const Tensor<float> first = logits(random, kKeys);
  Tensor<float> second = logits(random, kKeys);
  for (Index i = 0; i < kQueries; ++i) {
    const float before = as_eigen(first.matrix()).col(i).maxCoeff();
    for (Index j = 0; j < kKeys; ++j) {
      float& s = second.matrix()(j, i);
      s = i % 2 == 0 ? std::min(s - 4, before) : s;
    }
    if (i % 2 == 1) second.matrix()(3, i) = 4;
  }
  Tensor<float> max({kQueries}), sum({kQueries}), output({kRows, kQueries});
  std::ranges::fill(max.values(), -kInfinity);
  const OnlineSoftmax<float> rows{max.data(), sum.data(), exponent_factor<float>(1)};
  Tensor<float> p({kKeys, kQueries}), p_second({kKeys, kQueries});
  std::ranges::copy(first.values(), p.data());
  exponentiate_tile<kBlockVectors, float>(p.matrix(), rows, output.matrix());
  std::ranges::fill(output.values(), 1.0f);  // Σ p·v of the first tile
  std::ranges::copy(second.values(), p_second.data());
  exponentiate_tile<kBlockVectors, float>(p_second.matrix(), rows, output.matrix());

  for (Index i = 0; i < kQueries; ++i) {
    const double m_first = as_eigen(first.matrix()).col(i).maxCoeff();
    const double m = std::max(m_first, double(as_eigen(second.matrix()).col(i).maxCoeff()));
    EXPECT_EQ(m > m_first, i % 2 == 1);
    EXPECT_EQ(max[i], m);
    double l = 0;
    for (Index j = 0; j < kKeys; ++j) {
      const double e = std::exp(second.matrix()(j, i) - m);
      EXPECT_NEAR(p_second.matrix()(j, i), e, kExponentialError * e);
      EXPECT_NEAR(p.matrix()(j, i), std::exp(first.matrix()(j, i) - m_first), kExponentialError);
      l += e + std::exp(first.matrix()(j, i) - m);
    }
    // Two exponentials in each term of the first tile, and a sum of 14.
    EXPECT_NEAR(sum[i], l, 3 * kExponentialError * l);
    const double shrink = std::exp(m_first - m);
    for (Index c = 0; c < kRows; ++c) {
      EXPECT_NEAR(output.matrix()(c, i), shrink, kExponentialError * shrink);
    }
  }
}

TEST(FinishTile, DividesByTheSumAndTurnsTheTile) {
  constexpr Index kWidth = 3, kRows = 5;
  Random random(3);
  auto output_t = normal_tensor<float>(random, {kWidth, kQueries});
  Tensor<float> before({kWidth, kQueries}), max({kQueries}), sum({kQueries});
  std::ranges::copy(output_t.values(), before.data());
  for (Index i = 0; i < kQueries; ++i) sum[i] = float(1 << i % 8);  // exact reciprocals
  Tensor<float> output({kRows, kWidth});
  finish_tile<float>(
      {.q_t = {}, .output_t = output_t.matrix(), .softmax = {max.data(), sum.data(), 1}},
      output.matrix());
  for (Index i = 0; i < kRows; ++i) {
    for (Index c = 0; c < kWidth; ++c) {
      EXPECT_EQ(output.matrix()(i, c), before.matrix()(c, i) / sum[i]) << i << "," << c;
    }
  }
}

// P = e^((s − m)/√d_k)/l, dS/√d_k = P ∘ (dP − delta)/√d_k, d_k = 4.
TEST(DifferentiateSoftmax, EqualsTheFormula) {
  constexpr Index kKeys = 5, kWidth = 4;
  Random random(4);
  const Tensor<float> s = logits(random, kKeys);
  const auto dp = normal_tensor<float>(random, {kKeys, kQueries});
  const auto delta = normal_tensor<float>(random, {kQueries});
  Tensor<float> max({kQueries}), sum({kQueries}), q({kQueries, kWidth});
  std::ranges::fill(max.values(), 4.0f);
  for (Index i = 0; i < kQueries; ++i) sum[i] = 1 + 0.1f * float(i);
  Tensor<float> p({kKeys, kQueries}), ds({kKeys, kQueries});
  std::ranges::copy(s.values(), p.data());
  std::ranges::copy(dp.values(), ds.data());
  BackwardTile<float> rows{};
  rows.q = std::as_const(q).matrix();
  rows.row_max = max.data();
  rows.row_sum = sum.data();
  rows.row_delta = delta.data();
  differentiate_softmax<float>({p.matrix(), ds.matrix()}, rows);
  for (Index j = 0; j < kKeys; ++j) {
    for (Index i = 0; i < kQueries; ++i) {
      const double probability = std::exp((s.matrix()(j, i) - 4.0) / 2) / sum[i];
      EXPECT_NEAR(p.matrix()(j, i), probability, kExponentialError * probability);
      const double dp_here = dp.matrix()(j, i), size = std::abs(dp_here) + std::abs(delta[i]);
      EXPECT_NEAR(ds.matrix()(j, i), probability * (dp_here - delta[i]) / 2,
                  2 * kExponentialError * probability * size);
    }
  }
}

TEST(PartOf, CutsRowsInOnePieceAlone) {
  Tensor<float> tensor({4, 6});
  const MatrixView<const float> rows = std::as_const(tensor).matrix();
  const Ahead<float> second = part_of(rows, 1, 5);
  EXPECT_EQ(second.data, tensor.data() + 5);  // 24 elements: 5, 5, 5, 5, 4
  EXPECT_EQ(second.count, 5);
  EXPECT_EQ(part_of(rows, 4, 5).count, 4);
  EXPECT_EQ(part_of(rows.column_block(0, 3), 0, 5).count, 0);
}

}  // namespace
}  // namespace seqbench
