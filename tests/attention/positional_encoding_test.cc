#include "attention/positional_encoding.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/test_data.h"

namespace seqbench {
namespace {

constexpr double kEps = std::numeric_limits<double>::epsilon();

TEST(SinusoidalPositions, EqualThePublishedWaves) {
  const auto e = sinusoidal_positions<double>(50, 7);
  for (Index t = 0; t < 50; ++t) {
    for (Index i = 0; 2 * i < 7; ++i) {
      const double angle = double(t) / std::pow(10000.0, 2 * double(i) / 7);
      // The angle's own roundings, three of them, scaled by the angle.
      EXPECT_NEAR(e.matrix()(t, 2 * i), std::sin(angle), 3 * kEps * (angle + 1));
      if (2 * i + 1 < 7) {
        EXPECT_NEAR(e.matrix()(t, 2 * i + 1), std::cos(angle), 3 * kEps * (angle + 1));
      }
    }
  }
}

// Why the paper chose them: a shift by k tokens is the same rotation at every position.
TEST(SinusoidalPositions, AShiftIsARotation) {
  const Index D = 8, shift = 5;
  const auto table = sinusoidal_positions<double>(40, D);
  const auto e = table.matrix();
  for (Index i = 0; i < D; i += 2) {
    const double sine = e(shift, i), cosine = e(shift, i + 1);
    for (Index t = 0; t + shift < 40; ++t) {
      const double tolerance = 4 * kEps * 40;  // angles up to 40 round to 40·eps
      EXPECT_NEAR(e(t + shift, i), e(t, i) * cosine + e(t, i + 1) * sine, tolerance);
      EXPECT_NEAR(e(t + shift, i + 1), e(t, i + 1) * cosine - e(t, i) * sine, tolerance);
    }
  }
}

TEST(AddPositions, AddsEachPositionToEverySequence) {
  Random random(1);
  const auto e = normal_tensor<float>(random, {6, 3});
  const auto before = normal_tensor<float>(random, {2, 4, 3});
  Tensor<float> x({2, 4, 3});
  std::ranges::copy(before.values(), x.values().begin());
  add_positions(ThreadTeam(2), e.matrix(), x.sequence());
  for (Index b = 0; b < 2; ++b) {
    for (Index t = 0; t < 4; ++t) {
      for (Index j = 0; j < 3; ++j) {
        const Index element = (b * 4 + t) * 3 + j;
        EXPECT_EQ(x[element], before[element] + e.matrix()(t, j));
      }
    }
  }
}

TEST(AddPositions, GradientIsTheSumOverTheBatch) {
  Random random(2);
  const auto dx = normal_tensor<double>(random, {3, 4, 5});
  Tensor<double> de({6, 5});
  std::ranges::fill(de.values(), std::numeric_limits<double>::quiet_NaN());
  add_positions_backward(ThreadTeam(2), dx.sequence(), de.matrix());
  for (Index t = 0; t < 6; ++t) {
    for (Index j = 0; j < 5; ++j) {
      double expected = 0;
      for (Index b = 0; t < 4 && b < 3; ++b) expected += dx.sequence().step(t)(b, j);
      EXPECT_NEAR(de.matrix()(t, j), expected, 3 * kEps * max_abs(dx.values()) * 3) << t;
    }
  }
}

}  // namespace
}  // namespace seqbench
