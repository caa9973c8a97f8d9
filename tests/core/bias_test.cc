#include "core/bias.h"

#include <gtest/gtest.h>

#include "core/random.h"

namespace seqbench {
namespace {

/// Rows and columns below and above the size of one task, and of the serial path.
constexpr Index kShapes[][2] = {{1, 1}, {3, 5}, {0, 4}, {200, 130}, {65, 700}, {1, 20000}};

TEST(Bias, IsPutIntoEveryRowAndNowhereElse) {
  Random random(1);
  for (const auto& [rows, cols] : kShapes) {
    Tensor<float> bias({cols}), y({rows, cols + 3});
    fill_normal(random, bias.values());
    assign_bias(ThreadTeam(3), bias.data(), y.matrix().column_block(0, cols));
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < cols + 3; ++j) {
        EXPECT_EQ(y.matrix()(i, j), j < cols ? bias[j] : 0.0f);
      }
    }
  }
}

TEST(Bias, ColumnSumsAddRowsInOrderForAnyTeam) {
  Random random(2);
  for (const auto& [rows, cols] : kShapes) {
    Tensor<float> dy({rows, cols}), expected({cols});
    fill_normal(random, dy.values());
    fill_normal(random, expected.values());  // what the sums are added to
    const std::vector<float> start(expected.data(), expected.data() + cols);
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < cols; ++j) expected[j] += dy.matrix()(i, j);
    }
    for (const int threads : {1, 2, 3, 4}) {
      std::vector<float> sums = start;
      add_column_sums(ThreadTeam(threads), dy.matrix(), sums.data());
      for (Index j = 0; j < cols; ++j) EXPECT_EQ(sums[std::size_t(j)], expected[j]) << threads;
    }
  }
}

}  // namespace
}  // namespace seqbench
