#include "core/transpose.h"

#include <gtest/gtest.h>

#include "tests/test_data.h"

namespace seqbench {
namespace {

template <typename T>
class Transpose : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Transpose, Scalars);

// Below, at and past a square and a strip, in windows of larger matrices.
TYPED_TEST(Transpose, SwapsRowsAndColumnsOfAnyWindow) {
  using T = TypeParam;
  Random random(1);
  for (const Index rows : {1, 2, 3, 4, 5, 16, 18}) {
    for (const Index cols : {1, 2, 3, 4, 7, 8, 15, 16, 17, 35}) {
      const auto from = normal_tensor<T>(random, {rows, cols + 3});
      Tensor<T> to({cols + 1, rows + 2});
      transpose<T>(from.matrix().column_block(1, cols),
                   to.matrix().row_block(0, cols).column_block(1, rows));
      for (Index i = 0; i < rows; ++i) {
        for (Index j = 0; j < cols; ++j) {
          ASSERT_EQ(to.matrix()(j, i + 1), from.matrix()(i, j + 1)) << rows << "x" << cols;
        }
      }
      for (Index j = 0; j <= cols; ++j) {
        ASSERT_EQ(to.matrix()(j, 0), T(0));
        ASSERT_EQ(to.matrix()(j, rows + 1), T(0));
      }
      for (Index i = 0; i < rows + 2; ++i) ASSERT_EQ(to.matrix()(cols, i), T(0));
    }
  }
}

TEST(Transpose, IntoPairsIsThatOfTheRoundedRows) {
  Random random(2);
  for (const Index rows : {1, 15, 16, 37}) {
    for (const Index cols : {1, 2, 33, 127, 128, 129, 257}) {
      const auto from = normal_tensor<float>(random, {rows, cols});
      const Index pairs = elements_of_depth<Bfloat16Pair>(cols);
      Tensor<Bfloat16Pair> rounded({rows, pairs}), to({pairs, rows});
      round_along_rows(from.matrix(), rounded.matrix());
      transpose(from.matrix(), to.matrix());
      for (Index i = 0; i < rows; ++i) {
        for (Index k = 0; k < pairs; ++k) {
          ASSERT_EQ(to.matrix()(k, i).bits, rounded.matrix()(i, k).bits) << rows << "x" << cols;
        }
      }
    }
  }
}

}  // namespace
}  // namespace seqbench
