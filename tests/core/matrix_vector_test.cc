#include "core/matrix_vector.h"

#include <gtest/gtest.h>

#include "tests/test_data.h"

namespace seqbench {
namespace {

template <typename T>
class MatrixVector : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(MatrixVector, Scalars);

TYPED_TEST(MatrixVector, MatchesTheSumInLongDoubleForOddShapes) {
  using T = TypeParam;
  Random random(1);
  for (const Index rows : {1, 3, 4, 5, 67}) {
    for (const Index cols : {1, 7, 16, 33, 256}) {
      const Tensor<T> a = normal_tensor<T>(random, {rows, cols});
      const Tensor<T> x = normal_tensor<T>(random, {cols});
      Tensor<T> y({rows + 1});
      y.data()[rows] = 42;
      matrix_vector<T>(a.matrix(), x.data(), y.data());
      // Each of `cols` multiply-adds rounds once.
      const double bound = double(cols) * std::numeric_limits<T>::epsilon() * max_abs(a.values()) *
                           max_abs(x.values()) * double(cols);
      for (Index i = 0; i < rows; ++i) {
        long double expected = 0;
        for (Index k = 0; k < cols; ++k) {
          expected += static_cast<long double>(a.matrix()(i, k)) * x.data()[k];
        }
        EXPECT_NEAR(y.data()[i], double(expected), bound) << rows << "x" << cols << " at " << i;
      }
      EXPECT_EQ(y.data()[rows], 42) << "writes behind its rows";
    }
  }
}

TYPED_TEST(MatrixVector, AnElementDoesNotDependOnTheRowsAroundIt) {
  using T = TypeParam;
  Random random(2);
  const Tensor<T> a = normal_tensor<T>(random, {9, 37});
  const Tensor<T> x = normal_tensor<T>(random, {37});
  Tensor<T> whole({9}), alone({1});
  matrix_vector<T>(a.matrix(), x.data(), whole.data());
  for (Index i = 0; i < 9; ++i) {
    matrix_vector<T>(a.matrix().row_block(i, 1), x.data(), alone.data());
    EXPECT_EQ(alone.data()[0], whole.data()[i]);
  }
}

}  // namespace
}  // namespace seqbench
