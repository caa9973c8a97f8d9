#include "harness/models/convolution_layer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace seqbench {
namespace {

TEST(ConvolutionLayer, SeesTheStepsBeforeAlone) {
  const ThreadTeam team;
  ConvolutionLayer<double> convolution("convolution", 2, 1);
  EXPECT_EQ(convolution.weight.name, "convolution.weight");
  EXPECT_EQ(convolution.weight.value.shape(), (std::vector<Index>{2, 1}));
  convolution.weight.value.data()[0] = 1;   // of the step itself
  convolution.weight.value.data()[1] = 10;  // of the one before
  convolution.bias.value.data()[0] = 0.5;
  Tensor<double> x({1, 3, 1}), y({1, 3, 1}), dy({1, 3, 1}), dx({1, 3, 1});
  for (Index t = 0; t < 3; ++t) x.data()[t] = double(t + 1);
  convolution.forward(team, std::as_const(x).sequence(), y.sequence());
  EXPECT_EQ(y.data()[0], 1.5);
  EXPECT_EQ(y.data()[1], 12.5);
  EXPECT_EQ(y.data()[2], 23.5);
  convolution.reserve_gradients(true);
  dy.data()[2] = 1;
  convolution.backward(team, std::as_const(x).sequence(), std::as_const(dy).sequence(),
                       dx.sequence());
  EXPECT_EQ(dx.data()[0], 0);
  EXPECT_EQ(dx.data()[1], 10);
  EXPECT_EQ(dx.data()[2], 1);
  EXPECT_EQ(convolution.weight.gradient.data()[0], 3);
  EXPECT_EQ(convolution.weight.gradient.data()[1], 2);
  EXPECT_EQ(convolution.bias.gradient.data()[0], 1);
}

}  // namespace
}  // namespace seqbench
