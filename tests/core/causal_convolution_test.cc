#include "core/causal_convolution.h"

#include <gtest/gtest.h>

#include "core/eigen_view.h"
#include "tests/slopes.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

constexpr Index kTaps = 3, kWidth = 5;

/// A layer's tensors, random but for what backward assigns, which holds NaN.
struct Problem {
  Tensor<double> x, weight, bias, y, dy, dx, dweight, dbias;

  Problem(SequenceShape shape, std::uint64_t seed) {
    Random random(seed);
    const std::vector<Index> states{shape.batch, shape.steps, kWidth};
    x = normal_tensor<double>(random, states);
    weight = normal_tensor<double>(random, {kTaps, kWidth});
    bias = normal_tensor<double>(random, {kWidth});
    dy = normal_tensor<double>(random, states);
    y = Tensor<double>(states);
    dx = Tensor<double>(states);
    dweight = Tensor<double>({kTaps, kWidth});
    dbias = Tensor<double>({kWidth});
    for (Tensor<double>* assigned : {&y, &dx, &dweight, &dbias}) {
      std::ranges::fill(assigned->values(), std::numeric_limits<double>::quiet_NaN());
    }
  }
  void forward(const ThreadTeam& team) {
    causal_convolution_forward<double>(
        team,
        {.x = x.sequence(), .weight = weight.matrix(), .bias = bias.values(), .y = y.sequence()});
  }
  void backward(const ThreadTeam& team) {
    causal_convolution_backward<double>(team, {.x = x.sequence(),
                                               .weight = weight.matrix(),
                                               .dy = dy.sequence(),
                                               .dx = dx.sequence(),
                                               .dweight = dweight.matrix(),
                                               .dbias = dbias.values()});
  }
};

const SequenceShape kShapes[] = {{1, 1}, {2, 2}, {1, 3}, {3, 4}, {2, 17}};

TEST(CausalConvolution, EqualsItsDefinition) {
  for (const SequenceShape shape : kShapes) {
    Problem problem(shape, 1);
    problem.forward(ThreadTeam());
    for (Index b = 0; b < shape.batch; ++b) {
      for (Index t = 0; t < shape.steps; ++t) {
        for (Index c = 0; c < kWidth; ++c) {
          double expected = problem.bias[c], magnitude = std::abs(expected);
          for (Index k = 0; k < kTaps && k <= t; ++k) {
            const double term =
                problem.weight[k * kWidth + c] * problem.x[(b * shape.steps + t - k) * kWidth + c];
            expected += term;
            magnitude += std::abs(term);
          }
          // Three products and three sums on either side.
          const double bound = 12 * std::numeric_limits<double>::epsilon() * magnitude;
          EXPECT_NEAR(problem.y[(b * shape.steps + t) * kWidth + c], expected, bound);
        }
      }
    }
  }
}

TEST(CausalConvolution, GradientsEqualFiniteDifferences) {
  const ThreadTeam team;
  for (const SequenceShape shape : kShapes) {
    Problem problem(shape, 2);
    problem.backward(team);
    const auto loss = [&] {
      problem.forward(team);
      return as_eigen(problem.y.matrix()).cwiseProduct(as_eigen(problem.dy.matrix())).sum();
    };
    loss();
    // B·T·D products of outputs that are four terms deep.
    const double error =
        std::numeric_limits<double>::epsilon() * double(problem.y.size() + 8) *
        as_eigen(problem.y.matrix()).cwiseProduct(as_eigen(problem.dy.matrix())).cwiseAbs().sum();
    const auto check = [&](const char* name, Tensor<double>& value,
                           const Tensor<double>& gradient) {
      expect_slopes({name, value.values(), gradient.values(), error}, loss);
    };
    check("x", problem.x, problem.dx);
    check("weight", problem.weight, problem.dweight);
    check("bias", problem.bias, problem.dbias);
  }
}

TEST(CausalConvolution, IsBitEqualForAnyTeam) {
  Problem alone({5, 9}, 3), together({5, 9}, 3);
  for (auto [problem, threads] : {std::pair(&alone, 1), std::pair(&together, 3)}) {
    const ThreadTeam team(threads);
    problem->forward(team);
    problem->backward(team);
  }
  EXPECT_TRUE(bit_equal(alone.y, together.y));
  EXPECT_TRUE(bit_equal(alone.dx, together.dx));
  EXPECT_TRUE(bit_equal(alone.dweight, together.dweight));
  EXPECT_TRUE(bit_equal(alone.dbias, together.dbias));
}

}  // namespace
}  // namespace seqbench
