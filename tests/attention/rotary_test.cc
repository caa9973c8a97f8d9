#include "attention/rotary.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/eigen_view.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

constexpr double kEps = std::numeric_limits<double>::epsilon();

Tensor<double> angles(Index steps, Index head_width) {
  Tensor<double> table({steps, head_width / 2 * 2});
  fill_rotary_angles(head_width, table.matrix());
  return table;
}

/// x [rows, heads·d_k] turned, a block of columns for each head.
Tensor<double> turned(const Tensor<double>& x, Index head_width, const RotarySpan& span) {
  Tensor<double> y(x.shape());
  std::ranges::copy(x.values(), y.values().begin());
  const auto table = angles(span.first + span.steps, head_width);
  rotate_heads(ThreadTeam(2), std::as_const(table).matrix(), span,
               in_blocks(y.matrix(), head_width));
  return y;
}

TEST(Rotary, AnglesEqualThePublishedOnes) {
  const auto table = angles(50, 7);
  ASSERT_EQ(table.matrix().cols, 6);
  for (Index t = 0; t < 50; ++t) {
    for (Index i = 0; i < 3; ++i) {
      const double angle = double(t) / std::pow(10000.0, 2 * double(i) / 7);
      // The angle's own roundings, three of them, scaled by the angle.
      EXPECT_NEAR(table.matrix()(t, 2 * i), std::cos(angle), 3 * kEps * (angle + 1));
      EXPECT_NEAR(table.matrix()(t, 2 * i + 1), std::sin(angle), 3 * kEps * (angle + 1));
    }
  }
}

TEST(Rotary, AScoreDependsOnTheDistanceAlone) {
  const Index d_k = 6, steps = 12, shift = 30;
  Random random(1);
  // The same query at every step, the same key at every step.
  Tensor<double> q({steps, d_k}), k({steps, d_k});
  const auto one_q = normal_tensor<double>(random, {d_k});
  const auto one_k = normal_tensor<double>(random, {d_k});
  for (Index t = 0; t < steps; ++t) {
    std::ranges::copy(one_q.values(), q.matrix().row(t));
    std::ranges::copy(one_k.values(), k.matrix().row(t));
  }
  const auto scores = [&](Index first) -> RowMajorMatrix<double> {
    const RotarySpan span{.steps = steps, .first = first};
    const auto tq = turned(q, d_k, span), tk = turned(k, d_k, span);
    return as_eigen(tq.matrix()) * as_eigen(tk.matrix()).transpose();
  };
  const RowMajorMatrix<double> here = scores(0), there = scores(shift);
  // Angles of up to 42 round to 42·eps; both vectors carry theirs.
  const double tolerance = 2 * kEps * double(steps + shift + d_k) * d_k * 4 *
                           max_abs<double>(one_q.values()) * max_abs<double>(one_k.values());
  EXPECT_LE((here - there).cwiseAbs().maxCoeff(), tolerance);
  for (Index t = 1; t < steps; ++t) {
    EXPECT_NEAR(here(t, t), here(0, 0), tolerance);
    EXPECT_GT(std::abs(here(t, 0) - here(0, 0)), 1000 * tolerance) << t;
  }
}

TEST(Rotary, TurningBackUndoesItForEveryHeadAndSequence) {
  const Index B = 2, T = 5, H = 3, d_k = 5;
  Random random(2);
  const auto x = normal_tensor<double>(random, {B * T, H * d_k});
  const auto y = turned(x, d_k, {.batch = B, .steps = T});
  for (Index row = 0; row < B * T; ++row) {
    for (Index h = 0; h < H; ++h) {
      const auto before = as_eigen(x.matrix()).row(row).segment(h * d_k, d_k);
      const auto after = as_eigen(y.matrix()).row(row).segment(h * d_k, d_k);
      EXPECT_EQ(after(d_k - 1), before(d_k - 1));  // odd: no pair
      EXPECT_EQ(after == before, row % T == 0);    // position 0 is not turned
    }
  }
  const auto again = turned(y, d_k, {.batch = B, .steps = T, .turn = Turn::kBack});
  EXPECT_LE(max_difference(again, x), 8 * kEps * max_abs<double>(x.values()));
}

}  // namespace
}  // namespace seqbench
