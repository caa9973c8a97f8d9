#include "core/softmax.h"

#include <gtest/gtest.h>

#include <numeric>

#include "core/eigen_view.h"
#include "tests/slopes.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

constexpr double kEps = std::numeric_limits<double>::epsilon();
constexpr float kFloatEps = std::numeric_limits<float>::epsilon();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(Softmax, RowsMatchTheFormula) {
  Random random(1);
  for (const Index n : {1, 2, 7, 16, 33}) {
    const auto x = normal_tensor<double>(random, {3, n}, 5);
    Tensor<double> p({3, n});
    softmax_forward(x.matrix(), p.matrix());
    for (Index i = 0; i < 3; ++i) {
      double sum = 0;
      for (Index j = 0; j < n; ++j) sum += std::exp(x.matrix()(i, j));
      for (Index j = 0; j < n; ++j) {
        const double expected = std::exp(x.matrix()(i, j)) / sum;
        // Rounding of x − m (|x| ≤ 20 here), two exponentials, a sum of n terms, a quotient.
        EXPECT_NEAR(p.matrix()(i, j), expected, (40 + double(n)) * kEps * expected);
      }
    }
  }
}

TEST(Softmax, HugeLogitsNeitherOverflowNorVanish) {
  Tensor<float> x({1, 4});
  const float logits[] = {1e30f, -1e30f, 1e30f, -std::numeric_limits<float>::infinity()};
  std::ranges::copy(logits, x.data());
  softmax_forward(std::as_const(x).matrix(), x.matrix());  // in place
  EXPECT_EQ(x[0], 0.5f);
  EXPECT_EQ(x[1], 0.0f);
  EXPECT_EQ(x[2], 0.5f);
  EXPECT_EQ(x[3], 0.0f);
}

TEST(Softmax, WorksOnWindowsWithAStride) {
  Random random(2);
  const auto x = normal_tensor<float>(random, {4, 10});
  Tensor<float> window({4, 10}), compact({4, 3});
  softmax_forward(x.matrix().column_block(5, 3), window.matrix().column_block(2, 3));
  as_eigen(compact.matrix()) = as_eigen(x.matrix().column_block(5, 3));
  softmax_forward(std::as_const(compact).matrix(), compact.matrix());
  EXPECT_EQ(as_eigen(window.matrix().column_block(2, 3)), as_eigen(compact.matrix()));
  EXPECT_EQ(as_eigen(window.matrix().column_block(5, 5)).norm(), 0);
}

TEST(Softmax, ProbabilitiesSumToOneInFloat) {
  Random random(3);
  const auto x = normal_tensor<float>(random, {5, 1000}, 3);
  Tensor<float> p({5, 1000});
  softmax_forward(x.matrix(), p.matrix());
  for (Index i = 0; i < 5; ++i) {
    const double sum = std::accumulate(p.matrix().row(i), p.matrix().row(i) + 1000, 0.0);
    EXPECT_NEAR(sum, 1, 1000 * kFloatEps);  // the divisor is a float sum of 1000 terms
  }
}

TEST(Softmax, GradientMatchesSlopes) {
  Random random(4);
  for (const Index rows : {1, 2, 17}) {
    auto x = normal_tensor<double>(random, {rows, 6});
    const auto dp = normal_tensor<double>(random, {rows, 6});
    Tensor<double> p({rows, 6}), dx({rows, 6});
    const auto loss = [&] {
      softmax_forward(std::as_const(x).matrix(), p.matrix());
      return as_eigen(p.matrix()).cwiseProduct(as_eigen(dp.matrix())).sum();
    };
    loss();
    softmax_backward(std::as_const(p).matrix(), dp.matrix(), dx.matrix());
    // A sum of 6·rows products, each some 20 roundings deep.
    const double error = kEps * (20 + 6 * double(rows)) * as_eigen(dp.matrix()).cwiseAbs().sum();
    expect_slopes({"x", x.values(), std::as_const(dx).values(), error}, loss);
  }
}

double log_sum_exp(const std::vector<double>& x) {
  std::vector<double> p(x.size());
  return softmax_forward<double>(x, p);
}

TEST(Softmax, LogOfTheSumIsExactForEqualHugeAndMaskedElements) {
  EXPECT_EQ(log_sum_exp(std::vector<double>(8, 1e300)), 1e300 + std::log(8.0));
  EXPECT_EQ(log_sum_exp({-kInfinity, 3, -kInfinity}), 3);
}

TEST(Softmax, LogOfTheSumMatchesTheFormula) {
  // Two additions, three exponentials, a logarithm.
  EXPECT_NEAR(log_sum_exp({1, 2, 4}), std::log(std::exp(1.) + std::exp(2.) + std::exp(4.)),
              8 * kEps * 4);
}

}  // namespace
}  // namespace seqbench
