#include "core/relu.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace seqbench {
namespace {

TEST(Relu, KeepsPositiveElementsAndTheirGradients) {
  const std::vector<float> x{-2, -0.f, 0, 1e-30f, 3}, dy{1, 2, 3, 4, 5};
  std::vector<float> y(5), dx(5);
  relu_forward<float>(x, y);
  EXPECT_EQ(y, (std::vector<float>{0, 0, 0, 1e-30f, 3}));
  relu_backward<float>(y, dy, dx);
  EXPECT_EQ(dx, (std::vector<float>{0, 0, 0, 4, 5}));
}

TEST(Relu, WorksInPlace) {
  std::vector<double> x{-1, 2}, dy{7, 8};
  relu_forward<double>(x, x);
  EXPECT_EQ(x, (std::vector<double>{0, 2}));
  relu_backward<double>(x, dy, dy);
  EXPECT_EQ(dy, (std::vector<double>{0, 8}));
}

TEST(Relu, PassesNaNOn) {
  const std::vector<float> x{std::numeric_limits<float>::quiet_NaN()};
  std::vector<float> y(1);
  relu_forward<float>(x, y);
  EXPECT_TRUE(std::isnan(y[0]));
}

}  // namespace
}  // namespace seqbench
