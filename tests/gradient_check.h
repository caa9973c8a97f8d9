// Gradients of any SequenceLayer against finite differences, in double.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "core/sequence_layer.h"
#include "tests/slopes.h"
#include "tests/test_data.h"

namespace seqbench {

/// Draws parameters and data from `seed`, takes the loss L = Σ dy∘y, whose gradient with respect to
/// y is dy, and expects backward's dx and every parameter's gradient to equal L's slope in each
/// single element. Reserves the layer for Pass::kTrain and leaves random parameters in it.
/// Gradients and dx hold NaN before backward, so that accumulating instead of assigning fails too.
///
/// The loss's rounding error is at most ε·depth·Σ|dy∘y| with depth 5·T·(D + T): a token's output is
/// at most T steps of dot products over D elements, or weighted sums over T tokens, deep.
inline void check_gradients(SequenceLayer<double>& layer, SequenceShape shape, std::uint64_t seed,
                            const ThreadTeam& team = ThreadTeam()) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  const Index B = shape.batch, T = shape.steps, D = layer.width();
  Random random(seed);
  randomise_parameters(random, layer);
  Tensor<double> x = normal_tensor<double>(random, {B, T, D});
  const Tensor<double> dy = normal_tensor<double>(random, {B, T, D});
  Tensor<double> y({B, T, D}), dx({B, T, D});
  layer.reserve(shape, Pass::kTrain, team.size());

  layer.forward(team, x.sequence(), y.sequence(), Keep::kForBackward);
  double loss_magnitude = 0;
  for (Index i = 0; i < y.size(); ++i) loss_magnitude += std::abs(dy[i] * y[i]);
  const double loss_error =
      std::numeric_limits<double>::epsilon() * 5 * double(T * (D + T)) * loss_magnitude;

  std::ranges::fill(dx.values(), kNaN);
  for (auto& parameter : layer.parameters()) {
    ASSERT_EQ(parameter.gradient.shape(), parameter.value.shape()) << parameter.name;
    std::ranges::fill(parameter.gradient.values(), kNaN);
  }
  layer.backward(team, x.sequence(), y.sequence(), dy.sequence(), dx.sequence());

  const auto loss = [&] {
    layer.forward(team, x.sequence(), y.sequence(), Keep::kForBackward);
    double sum = 0;
    for (Index i = 0; i < y.size(); ++i) sum += dy[i] * y[i];
    return sum;
  };
  SCOPED_TRACE("B=" + std::to_string(B) + " T=" + std::to_string(T) + " D=" + std::to_string(D));
  expect_slopes({"x", x.values(), std::as_const(dx).values(), loss_error}, loss);
  for (auto& parameter : layer.parameters()) {
    expect_slopes({parameter.name, parameter.value.values(),
                   std::as_const(parameter.gradient).values(), loss_error},
                  loss);
  }
}

}  // namespace seqbench
