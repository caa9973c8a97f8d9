#include "core/register_block.h"

#include <gtest/gtest.h>

#include "core/eigen_view.h"
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

}  // namespace
}  // namespace seqbench
