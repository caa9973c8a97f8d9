#include "harness/models/norm_layer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace seqbench {
namespace {

TEST(NormLayer, StartsAsTheIdentityOfNormedRows) {
  NormLayer<double> norm("norm1", 4);
  EXPECT_EQ(norm.weight.name, "norm1.weight");
  EXPECT_EQ(norm.bias.value.shape(), (std::vector<Index>{4}));
  Tensor<double> x({1, 4}), y({1, 4}), mean({1}), rstd({1});
  for (Index i = 0; i < 4; ++i) x.data()[i] = double(2 * i);  // mean 3, variance 5
  norm.forward(x.matrix(), y.matrix(), mean, rstd);
  EXPECT_EQ(mean.data()[0], 3);
  const double bound = 8 * std::numeric_limits<double>::epsilon();
  EXPECT_NEAR(rstd.data()[0], 1 / std::sqrt(5 + 1e-5), bound);
  for (Index i = 0; i < 4; ++i) {
    EXPECT_NEAR(y.data()[i], double(2 * i - 3) / std::sqrt(5 + 1e-5), bound);
  }
}

TEST(NormLayer, ItsBackwardAssignsGradientsOfBothParameters) {
  NormLayer<double> norm("norm1", 2);
  norm.reserve_gradients(true);
  Tensor<double> x({1, 2}), y({1, 2}), dy({1, 2}), dx({1, 2}), mean({1}), rstd({1});
  x.data()[0] = 1;
  dy.data()[0] = 3, dy.data()[1] = 5;
  norm.forward(x.matrix(), y.matrix(), mean, rstd);
  norm.backward(x.matrix(), mean, rstd, dy.matrix(), dx.matrix());
  EXPECT_EQ(norm.bias.gradient.data()[1], 5);
  EXPECT_EQ(norm.weight.gradient.data()[0], 3 * y.data()[0]);
  norm.reserve_gradients(false);
  EXPECT_EQ(norm.weight.gradient.size(), 0);
}

}  // namespace
}  // namespace seqbench
