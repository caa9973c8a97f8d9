#include "core/gelu.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "tests/slopes.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

/// The published form, x/2·(1 + tanh u), in long double.
long double u_of(long double x) {
  return std::sqrt(2 / std::numbers::pi_v<long double>) * (x + 0.044715L * x * x * x);
}
long double gelu(long double x) { return x / 2 * (1 + std::tanh(u_of(x))); }

template <typename T>
void check_values() {
  std::vector<T> x;
  for (int i = -60; i <= 60; ++i) x.push_back(T(i) / 8);
  std::vector<T> y(x.size());
  gelu_forward<T>(x, y);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const long double expected = gelu(x[i]);
    // Five roundings of 2u, each of which σ(2u) = e^2u/(1 + e^2u) takes on up to |2u| times, σ's
    // four and a product. Far to the left 1 + tanh u cancels even in long double.
    const long double error = (5 * 2 * std::abs(u_of(x[i])) + 5) *
                                  std::numeric_limits<T>::epsilon() * std::abs(expected) +
                              std::abs(x[i]) * std::numeric_limits<long double>::epsilon();
    EXPECT_NEAR(double(y[i]), double(expected), double(error)) << x[i];
  }
}

TEST(Gelu, IsThePublishedForm) {
  check_values<float>();
  check_values<double>();
}

TEST(Gelu, GradientMatchesSlopes) {
  Random random(1);
  std::vector<double> x(37), dy(37), y(37), dx(37);
  fill_normal<double>(random, x, 0, 2);
  fill_normal<double>(random, dy);
  const auto loss = [&] {
    gelu_forward<double>(x, y);
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += dy[i] * y[i];
    return sum;
  };
  gelu_backward<double>(x, dy, dx);
  // 37 products of numbers up to some 6, with the error of y.
  const double error = 37 * 6 * 6 * 40 * std::numeric_limits<double>::epsilon();
  expect_slopes({"x", x, dx, error}, loss);
}

TEST(Gelu, WorksInPlaceAndAtTheEnds) {
  std::vector<float> x{-1e30f, -100, 0, 100, 1e30f, std::numeric_limits<float>::quiet_NaN()};
  std::vector<float> y = x;
  gelu_forward<float>(y, y);
  for (const std::size_t left : {0u, 1u}) EXPECT_EQ(y[left], 0);
  EXPECT_EQ(y[2], 0);
  for (const std::size_t right : {3u, 4u}) EXPECT_EQ(y[right], x[right]);
  EXPECT_TRUE(std::isnan(y[5]));

  const std::vector<float> far{-1e12f, -100, 0, 100, 1e12f};
  std::vector<float> dy(far.size(), 2);
  gelu_backward<float>(far, dy, dy);
  EXPECT_EQ(dy, (std::vector<float>{0, 0, 1, 2, 2}));
}

}  // namespace
}  // namespace seqbench
