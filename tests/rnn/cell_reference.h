// Recurrent layers as their papers write them: scalar loops in double, one sequence, one unit at a
// time. Each cell's test adds its formula.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/rnn/recurrent_cases.h"

namespace seqbench {

using Vector = std::vector<double>;

inline double logistic(double x) { return 1 / (1 + std::exp(-x)); }

/// The parameters of a layer in double and the products of one step.
struct CellReference {
  Index D;
  Vector weight_ih, weight_hh, bias_ih, bias_hh;

  template <typename T>
  explicit CellReference(SequenceLayer<T>& layer) : D(layer.width()) {
    Vector* const ours[] = {&weight_ih, &weight_hh, &bias_ih, &bias_hh};
    for (std::size_t p = 0; p < 4; ++p) {
      const auto values = layer.parameters()[p].value.values();
      ours[p]->assign(values.begin(), values.end());
    }
  }

  /// Element j of gate k of W_ih·x + b_ih.
  double a(Index k, Index j, const Vector& x) const { return affine(weight_ih, bias_ih, k, j, x); }
  /// Element j of gate k of W_hh·h + b_hh.
  double u(Index k, Index j, const Vector& h) const { return affine(weight_hh, bias_hh, k, j, h); }

 private:
  double affine(const Vector& weight, const Vector& bias, Index k, Index j, const Vector& v) const {
    const Index row = k * D + j;
    double sum = bias[std::size_t(row)];
    for (Index i = 0; i < D; ++i) sum += weight[std::size_t(row * D + i)] * v[std::size_t(i)];
    return sum;
  }
};

/// Expects the layer's y to be what `step` makes of the same x. `step` is called as
/// step(reference, x_t, h, c) and replaces h_{t−1} and c_{t−1} [D] by h_t and c_t.
template <typename T, typename Step>
void expect_forward_matches(const RecurrentModel& model, const Step& step) {
  for (const RecurrentKernel kernel : kRecurrentKernels) {
    for (const SequenceShape shape : {SequenceShape{1, 1}, SequenceShape{3, 7}}) {
      for (const Index D : {1, 5, 33}) {
        const auto layer = model.make<T>({.width = D, .kernel = kernel});
        const ThreadTeam team;
        Random random(3);
        randomise_parameters(random, *layer);
        const Tensor<T> x = normal_tensor<T>(random, {shape.batch, shape.steps, D});
        Tensor<T> y({shape.batch, shape.steps, D});
        Tensor<double> expected({shape.batch, shape.steps, D});
        layer->reserve(shape, Pass::kForward, team.size());
        layer->forward(team, x.sequence(), y.sequence(), Keep::kNothing);

        const CellReference reference(*layer);
        for (Index b = 0; b < shape.batch; ++b) {
          Vector h(static_cast<std::size_t>(D)), c(h);
          for (Index t = 0; t < shape.steps; ++t) {
            const T* x_t = x.sequence().sequence(b).row(t);
            step(reference, Vector(x_t, x_t + D), h, c);
            std::ranges::copy(h, expected.sequence().sequence(b).row(t));
          }
        }
        // Outputs lie in (−1, 1), but an error in a gate counts by the gate's argument.
        const double argument = std::sqrt(double(D)) * (max_abs(x.values()) + 1);
        EXPECT_LE(max_difference(y, expected), rounding_bound<T>(shape, D, argument))
            << model.name << " B=" << shape.batch << " T=" << shape.steps << " D=" << D;
      }
    }
  }
}

}  // namespace seqbench
