#include "core/loss.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/slopes.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

constexpr double kEps = std::numeric_limits<double>::epsilon();

// x = torch.tensor([[1,2,3],[-1,0,4],[100,0,-100]], dtype=float64, requires_grad=True)
// torch.nn.functional.cross_entropy(x, torch.tensor([2, -100, 1])).backward()
TEST(CrossEntropy, MatchesPyTorchAndSkipsRowsWithoutTarget) {
  Tensor<double> x({3, 3});
  std::ranges::copy(std::vector{1., 2., 3., -1., 0., 4., 100., 0., -100.}, x.data());
  const std::vector<Token> targets{2, kNoTarget, 1};
  const double loss = cross_entropy_forward(std::as_const(x).matrix(), targets, x.matrix());
  EXPECT_NEAR(loss, 50.20380298222219, 4 * kEps * 100);  // four roundings of values up to 100
  cross_entropy_backward(std::as_const(x).matrix(), targets, x.matrix());
  const double expected[] = {
      0.04501528658519022,  0.12236423552739882, -0.1673795221125891, 0, 0, 0, 0.5, -0.5,
      6.919482633683688e-88};
  for (Index i = 0; i < 9; ++i) EXPECT_NEAR(x[i], expected[i], 8 * kEps) << i;
}

TEST(CrossEntropy, TellsTheLossOfEachRow) {
  Tensor<double> logits({3, 2}), probabilities({3, 2});
  std::ranges::copy(std::vector{0., std::log(3.), 1., 1., 0., 0.}, logits.data());
  const std::vector<Token> targets = {0, kNoTarget, 1};
  std::vector<double> losses(3, -1);
  const double mean =
      cross_entropy_forward<double>(logits.matrix(), targets, probabilities.matrix(), losses);
  // −log ¼ and −log ½, each of some three roundings.
  EXPECT_NEAR(losses[0], std::log(4.), 1e-15);
  EXPECT_EQ(losses[1], 0);
  EXPECT_NEAR(losses[2], std::log(2.), 1e-15);
  EXPECT_NEAR(mean, std::log(8.) / 2, 1e-15);
}

TEST(CrossEntropy, IsFiniteWhereTheTargetsProbabilityIsZero) {
  Tensor<float> x({1, 2});
  x[0] = 1000;
  EXPECT_EQ(cross_entropy_forward(std::as_const(x).matrix(), std::vector<Token>{1}, x.matrix()),
            1000);
}

TEST(CrossEntropy, GradientMatchesSlopes) {
  Random random(1);
  for (const Index rows : {1, 2, 17}) {
    auto x = normal_tensor<double>(random, {rows, 5}, 2);
    Tensor<double> p({rows, 5}), dx({rows, 5});
    std::vector<Token> targets;
    for (Index i = 0; i < rows; ++i) targets.push_back(i % 3 == 1 ? kNoTarget : Token(i % 5));
    const auto loss = [&] {
      return cross_entropy_forward(std::as_const(x).matrix(), targets, p.matrix());
    };
    loss();
    cross_entropy_backward(std::as_const(p).matrix(), targets, dx.matrix());
    // Each row's term is a dozen roundings of values below 2·max|x| + ln 5; the mean adds `rows`.
    const double error =
        kEps * (12 + double(rows)) * (2 * max_abs(std::as_const(x).values()) + std::log(5.0));
    expect_slopes({"x", x.values(), std::as_const(dx).values(), error}, loss);
  }
}

TEST(MeanSquaredError, IsTheMeanOfTheSquares) {
  const std::vector<float> predictions{1, 2, 4}, targets{1, 0, 5};
  EXPECT_EQ(mse_forward<float>(predictions, targets), 5.0 / 3);
}

TEST(MeanSquaredError, GradientMatchesSlopes) {
  Random random(2);
  for (const Index n : {1, 2, 17}) {
    auto x = normal_tensor<double>(random, {n});
    const auto targets = normal_tensor<double>(random, {n});
    Tensor<double> dx({n});
    const auto loss = [&] { return mse_forward<double>(x.values(), targets.values()); };
    mse_backward<double>(x.values(), targets.values(), dx.values());
    const double error = kEps * (3 + double(n)) * loss();  // n squares of one difference each
    expect_slopes({"x", x.values(), std::as_const(dx).values(), error}, loss);
  }
}

}  // namespace
}  // namespace seqbench
