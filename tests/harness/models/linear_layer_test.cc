#include "harness/models/linear_layer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace seqbench {
namespace {

TEST(LinearLayer, MapsRowsAndAssignsItsGradients) {
  const ThreadTeam team;
  LinearLayer<double> linear("readout", 2, 3);
  EXPECT_EQ(linear.weight.name, "readout.weight");
  EXPECT_EQ(linear.weight.value.shape(), (std::vector<Index>{3, 2}));
  for (Index i = 0; i < 6; ++i) linear.weight.value.data()[i] = double(i);
  linear.bias.value.data()[2] = 10;
  Tensor<double> x({1, 2}), y({1, 3}), dy({1, 3}), dx({1, 2});
  x.data()[0] = 1, x.data()[1] = 2;
  linear.forward(team, x.matrix(), y.matrix());
  EXPECT_EQ(y.data()[0], 2);   // 0·1 + 1·2
  EXPECT_EQ(y.data()[1], 8);   // 2·1 + 3·2
  EXPECT_EQ(y.data()[2], 24);  // 4·1 + 5·2 + 10
  linear.reserve_gradients(true);
  dy.data()[1] = 1;
  linear.backward(team, x.matrix(), dy.matrix(), dx.matrix());
  EXPECT_EQ(dx.data()[0], 2);
  EXPECT_EQ(dx.data()[1], 3);
  EXPECT_EQ(linear.weight.gradient.matrix()(1, 1), 2);
  EXPECT_EQ(linear.weight.gradient.matrix()(0, 1), 0);
  EXPECT_EQ(linear.bias.gradient.data()[1], 1);
}

TEST(LinearLayer, StartsWithinTheBoundOfItsInputs) {
  LinearLayer<float> linear("input", 4, 100);
  Random random(1);
  linear.initialise(random);
  float largest = 0;
  for (const float w : linear.weight.value.values()) largest = std::max(largest, std::abs(w));
  EXPECT_LE(largest, 0.5f);  // 1/√4
  EXPECT_GT(largest, 0.45f);
}

}  // namespace
}  // namespace seqbench
