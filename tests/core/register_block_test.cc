#include "core/register_block.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "core/eigen_view.h"
#include "core/thread_team.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

template <typename T>
class RegisterBlock : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(RegisterBlock, Scalars);

/// start + Σ_k a_ik·b_kj, written out.
template <typename T>
double element(const LeftFactor<T>& a, MatrixView<const T> b, double start, Index i, Index j) {
  double sum = start;
  for (Index k = 0; k < b.rows; ++k) {
    sum += double(a.data[i * a.row_stride + k * a.depth_stride]) * double(b(k, j));
  }
  return sum;
}

// Every height of a block and one more, every width in vectors, whole and partial.
TYPED_TEST(RegisterBlock, MatchesTheFormulaForEveryBlockShape) {
  using T = TypeParam;
  Random random(1);
  const Index lanes = block_columns<T>() / kBlockVectors, depth = 11;
  for (Index rows = 1; rows <= block_rows(1) + 1; ++rows) {
    for (Index cols = 1; cols <= 4 * block_columns<T>() + 1;
         cols += cols % lanes == 1 ? lanes - 2 : 1) {
      const auto a = normal_tensor<T>(random, {rows, depth}),
                 a_t = normal_tensor<T>(random, {depth, rows});
      const auto b = normal_tensor<T>(random, {depth, cols}),
                 row = normal_tensor<T>(random, {cols});
      const double bound = std::numeric_limits<T>::epsilon() * double(depth + 1) *
                           (double(depth) * 16 + 4);  // normal numbers stay below 4
      for (const bool transposes : {false, true}) {
        const LeftFactor<T> left =
            transposes ? transposed(a_t.matrix()) : LeftFactor<T>(a.matrix());
        // A margin that nobody may write to.
        Tensor<T> c({rows + 1, cols + 1});
        const MatrixView<T> inner = c.matrix().row_block(0, rows).column_block(0, cols);
        const auto expect = [&](auto start_of) {
          for (Index i = 0; i < rows; ++i) {
            for (Index j = 0; j < cols; ++j) {
              ASSERT_NEAR(inner(i, j), element(left, b.matrix(), start_of(i, j), i, j), bound)
                  << rows << "x" << cols << " at " << i << "," << j;
            }
          }
          for (Index i = 0; i <= rows; ++i) ASSERT_EQ(c.matrix()(i, cols), T(7));
          for (Index j = 0; j <= cols; ++j) ASSERT_EQ(c.matrix()(rows, j), T(7));
        };
        std::ranges::fill(c.values(), T(7));
        multiply_blocks<T>(left, b.matrix(), inner, assign<T>());
        expect([](Index, Index) { return 0.0; });
        multiply_blocks<T>(left, b.matrix(), inner, assign_plus(row.data()));
        expect([&](Index, Index j) { return double(row[j]); });
        as_eigen(inner).setConstant(T(7));
        multiply_blocks<T>(left, b.matrix(), inner, add_to<T>());
        expect([](Index, Index) { return 7.0; });
      }
    }
  }
}

TYPED_TEST(RegisterBlock, SumsFromTheEndWhenReversed) {
  using T = TypeParam;
  const T tiny = std::numeric_limits<T>::epsilon() / 4;  // lost when added to 1
  Tensor<T> a({1, 3}), b({3, 5}), c({1, 5});
  std::ranges::fill(b.values(), T(1));
  a[0] = tiny, a[1] = T(1), a[2] = -T(1);
  const LeftFactor<T> left(a.matrix());
  multiply_blocks<T>(left, b.matrix(), c.matrix(), assign<T>());
  EXPECT_EQ(c[4], T(0));
  multiply_blocks<T>(left.reversed(3), std::as_const(b).matrix().upside_down(), c.matrix(),
                     assign<T>());
  EXPECT_EQ(c[4], tiny);
}

TYPED_TEST(RegisterBlock, AnElementDoesNotDependOnItsPlace) {
  using T = TypeParam;
  Random random(2);
  const Index rows = 2 * block_rows(1) + 1, cols = 2 * block_columns<T>() + 3, depth = 37;
  auto a = normal_tensor<T>(random, {rows, depth});
  auto b = normal_tensor<T>(random, {depth, cols});
  for (Index i = 1; i < rows; ++i) std::copy_n(a.data(), depth, a.matrix().row(i));
  for (Index k = 0; k < depth; ++k) std::fill_n(b.matrix().row(k), cols, b.matrix()(k, 0));
  Tensor<T> c({rows, cols});
  multiply_blocks<T>(std::as_const(a).matrix(), b.matrix(), c.matrix(), assign<T>());
  for (const T value : c.values()) ASSERT_EQ(value, c[0]);
}

TYPED_TEST(RegisterBlock, DepthZeroLeavesTheStart) {
  using T = TypeParam;
  Tensor<T> c({3, 5});
  std::ranges::fill(c.values(), T(2));
  const MatrixView<const T> none(nullptr, 0, 5);
  multiply_blocks<T>({nullptr, 0, 1}, none, c.matrix(), add_to<T>());
  for (const T value : c.values()) EXPECT_EQ(value, T(2));
  multiply_blocks<T>({nullptr, 0, 1}, none, c.matrix(), assign<T>());
  for (const T value : c.values()) EXPECT_EQ(value, T(0));
}

/// Rounded factors of a product A [rows, depth]·B [depth, cols] and its start.
struct PairProduct {
  Tensor<Bfloat16Pair> a, b;  // [rows, ⌈depth/2⌉], [⌈depth/2⌉, cols]
  Tensor<float> start;        // [rows, cols]
  Index depth;

  PairProduct(Random& random, Index rows, Index cols, Index depth_)
      : a({rows, elements_of_depth<Bfloat16Pair>(depth_)}),
        b({a.shape()[1], cols}),
        start(normal_tensor<float>(random, {rows, cols})),
        depth(depth_) {
    round_along_rows(normal_tensor<float>(random, {rows, depth}).matrix(), a.matrix());
    round_along_columns(normal_tensor<float>(random, {depth, cols}).matrix(), b.matrix());
  }
  double element(Index i, Index j) const {
    double sum = double(start.matrix()(i, j));
    for (Index k = 0; k < b.matrix().rows; ++k) {
      const Bfloat16Pair x = a.matrix()(i, k), y = b.matrix()(k, j);
      sum += double(x.first()) * double(y.first()) + double(x.second()) * double(y.second());
    }
    return sum;
  }
};

template <typename Body>
void for_each_pair_product(const Body& body) {
  flush_subnormals_to_zero();
  Random random(3);
  const Index lanes = block_columns<float>() / kBlockVectors;
  for (const Index depth : {1, 2, 11, 40}) {
    for (Index rows = 1; rows <= block_rows(1) + 1; ++rows) {
      for (Index cols = 1; cols <= 4 * block_columns<float>() + 1;
           cols += cols % lanes == 1 ? lanes - 2 : 1) {
        body(PairProduct(random, rows, cols, depth));
      }
    }
  }
}

TEST(PairRegisterBlock, MatchesProductsOfRoundedFactorsInDouble) {
  for_each_pair_product([](PairProduct product) {
    // Two roundings a pair, of sums of depth products of normal numbers below 4, and of the start.
    const double bound = std::numeric_limits<float>::epsilon() * double(product.depth + 1) *
                         (double(product.depth) * 16 + 4);
    Tensor<float> c(product.start.shape());
    std::ranges::copy(product.start.values(), c.data());
    multiply_blocks<Bfloat16Pair>(std::as_const(product.a).matrix(), product.b.matrix(), c.matrix(),
                                  add_to<float>());
    for (Index i = 0; i < c.matrix().rows; ++i) {
      for (Index j = 0; j < c.matrix().cols; ++j) {
        ASSERT_NEAR(c.matrix()(i, j), product.element(i, j), bound);
      }
    }
  });
}

TEST(PairRegisterBlock, IsBitEqualWithAndWithoutTheInstruction) {
  if (!has_bfloat16_unit()) GTEST_SKIP() << "this CPU or build has one form alone";
  for_each_pair_product([](PairProduct product) {
    Tensor<float> by_unit(product.start.shape()), widened(product.start.shape());
    std::ranges::copy(product.start.values(), by_unit.data());
    std::ranges::copy(product.start.values(), widened.data());
    const MatrixView<const Bfloat16Pair> a = product.a.matrix(), b = product.b.matrix();
    multiply_blocks<Bfloat16Pair>(a, b, by_unit.matrix(), add_to<float>());
    multiply_widened_blocks(a, b, widened.matrix(), add_to<float>());
    ASSERT_TRUE(bit_equal(by_unit, widened));
  });
}

// Of any bits: infinities, products beyond float and below its normal numbers. NaNs are equal.
TEST(PairRegisterBlock, TreatsEveryNumberAsTheInstructionDoes) {
  if (!has_bfloat16_unit()) GTEST_SKIP() << "this CPU or build has one form alone";
  flush_subnormals_to_zero();
  Random random(4);
  const Index rows = 64, cols = 64;
  Tensor<Bfloat16Pair> a({rows, 1}), b({1, cols});
  Tensor<float> by_unit({rows, cols}), widened({rows, cols});
  for (int round = 0; round < 200; ++round) {
    const auto any = [&] { return std::uint32_t(random.below(Index(1) << 32)); };
    for (Bfloat16Pair& pair : a.values()) pair.bits = any();
    for (Bfloat16Pair& pair : b.values()) pair.bits = any();
    for (Index i = 0; i < widened.size(); ++i) {
      by_unit[i] = widened[i] = std::bit_cast<float>(any());
    }
    multiply_blocks<Bfloat16Pair>(std::as_const(a).matrix(), b.matrix(), by_unit.matrix(),
                                  add_to<float>());
    multiply_widened_blocks(std::as_const(a).matrix(), b.matrix(), widened.matrix(),
                            add_to<float>());
    for (Index i = 0; i < widened.size(); ++i) {
      if (std::isnan(by_unit[i]) && std::isnan(widened[i])) continue;
      ASSERT_EQ(std::bit_cast<std::uint32_t>(by_unit[i]), std::bit_cast<std::uint32_t>(widened[i]))
          << i;
    }
  }
}

TEST(PairRegisterBlock, SumsFromTheEndWhenReversed) {
  const float tiny = std::numeric_limits<float>::epsilon() / 4;  // lost when added to 1
  Tensor<float> factors({1, 6}), ones({6, 5}), c({1, 5});
  std::ranges::fill(ones.values(), 1.0f);
  factors[0] = tiny, factors[2] = 1.0f, factors[4] = -1.0f;
  Tensor<Bfloat16Pair> a({1, 3}), b({3, 5});
  round_along_rows(factors.matrix(), a.matrix());
  round_along_columns(ones.matrix(), b.matrix());
  const LeftFactor<Bfloat16Pair> left(std::as_const(a).matrix());
  multiply_blocks<Bfloat16Pair>(left, b.matrix(), c.matrix(), assign<float>());
  EXPECT_EQ(c[4], 0.0f);
  multiply_blocks<Bfloat16Pair>(left.reversed(3), std::as_const(b).matrix().upside_down(),
                                c.matrix(), assign<float>());
  EXPECT_EQ(c[4], tiny);
}

}  // namespace
}  // namespace seqbench
