#include "harness/timing/drawing.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace seqbench {
namespace {

TEST(DrawNormal, IsStandardNormalAndTheSameInEitherPrecision) {
  Random random(3), again(3);
  std::vector<float> floats(100000);
  std::vector<double> doubles(floats.size());
  draw_normal(random, std::span(floats));
  draw_normal(again, std::span(doubles));
  double sum = 0, squares = 0, within = 0;
  for (std::size_t i = 0; i < floats.size(); ++i) {
    EXPECT_EQ(double(floats[i]), doubles[i]);
    sum += doubles[i];
    squares += doubles[i] * doubles[i];
    within += std::abs(doubles[i]) < 1;
  }
  const double count = double(floats.size());
  // Within four standard errors.
  EXPECT_NEAR(sum / count, 0, 4 / std::sqrt(count));
  EXPECT_NEAR(squares / count, 1, 4 * std::sqrt(2 / count));
  EXPECT_NEAR(within / count, 0.6827, 4 * std::sqrt(0.6827 * 0.3173 / count));
}

}  // namespace
}  // namespace seqbench
