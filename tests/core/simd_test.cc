#include "core/simd.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "tests/test_data.h"

namespace seqbench {
namespace {

// A reference with at least 11 more bits than the type under test.
template <typename T>
using Wide = std::conditional_t<std::is_same_v<T, float>, double, long double>;

template <typename T>
Wide<T> exact_sigmoid(Wide<T> x) {
  return 1 / (1 + std::exp(-x));
}

/// Distance of `actual` from `exact` in units in the last place of `exact`. Results below the
/// smallest normal number may be flushed to zero.
template <typename T>
double ulp_error(T actual, Wide<T> exact) {
  constexpr T kSmallest = std::numeric_limits<T>::min();
  if (std::abs(exact) < kSmallest) return std::abs(actual) <= 2 * kSmallest ? 0 : 1e9;
  if (std::abs(exact) > std::numeric_limits<T>::max()) return std::isinf(actual) ? 0 : 1e9;
  int exponent;
  std::frexp(exact, &exponent);
  const Wide<T> ulp = std::ldexp(Wide<T>(1), exponent - std::numeric_limits<T>::digits);
  return static_cast<double>(std::abs(Wide<T>(actual) - exact) / ulp);
}

/// Every stride-th finite number of either sign, from the smallest subnormal to the largest number:
/// `count` of them.
template <typename T>
std::vector<T> sample_all_magnitudes(std::size_t count) {
  using Bits = std::conditional_t<std::is_same_v<T, float>, std::uint32_t, std::uint64_t>;
  const Bits last = std::bit_cast<Bits>(std::numeric_limits<T>::max());
  const Bits stride = last / Bits(count / 2) | 1;  // odd, so that all low bits occur
  std::vector<T> samples{0, std::numeric_limits<T>::max(), -std::numeric_limits<T>::max()};
  for (Bits bits = 1; bits < last - stride; bits += stride) {
    samples.push_back(std::bit_cast<T>(bits));
    samples.push_back(-samples.back());
  }
  return samples;
}

/// Evenly over ±limit, where most of the functions' curvature is.
template <typename T>
std::vector<T> sample_evenly(T limit, std::size_t count) {
  std::vector<T> samples;
  for (std::size_t i = 0; i <= count; ++i) {
    samples.push_back(-limit + 2 * limit * T(i) / T(count));
  }
  return samples;
}

template <typename T, typename Function, typename Exact>
void expect_ulp(double bound, const Function& function, const Exact& exact) {
  const T limit = std::is_same_v<T, float> ? T(110) : T(760);  // past exp's overflow and underflow
  double worst = 0;
  T worst_at = 0;
  for (const auto& samples : {sample_all_magnitudes<T>(2'000'000), sample_evenly<T>(1, 500'000),
                              sample_evenly<T>(limit, 1'000'000)}) {
    std::vector<T> y(samples.size());
    for_each_vector<T>(Index(samples.size()), [&](auto d, Index j) {
      hn::StoreU(function(d, hn::LoadU(d, samples.data() + j)), d, y.data() + j);
    });
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const double error = ulp_error<T>(y[i], exact(Wide<T>(samples[i])));
      if (!(error <= worst)) worst = error, worst_at = samples[i];
    }
  }
  EXPECT_LE(worst, bound) << "at x = " << worst_at;
  ::testing::Test::RecordProperty("worst_ulp", std::to_string(worst));
}

template <typename T>
class SimdMaths : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(SimdMaths, Scalars);

TYPED_TEST(SimdMaths, ExpKeepsItsBound) {
  using T = TypeParam;
  expect_ulp<T>(
      1, [](auto d, auto x) { return exp(d, x); }, [](Wide<T> x) { return std::exp(x); });
}

TYPED_TEST(SimdMaths, TanhKeepsItsBound) {
  using T = TypeParam;
  expect_ulp<T>(
      4, [](auto d, auto x) { return tanh(d, x); }, [](Wide<T> x) { return std::tanh(x); });
}

TYPED_TEST(SimdMaths, SigmoidKeepsItsBound) {
  using T = TypeParam;
  expect_ulp<T>(
      4, [](auto d, auto x) { return sigmoid(d, x); }, exact_sigmoid<T>);
}

TYPED_TEST(SimdMaths, Exp2OfNonpositiveKeepsItsBound) {
  using T = TypeParam;
  // The double version is exp(x·ln 2): the product's rounding grows with |x| up to 1,000 ULP / 2.
  const double bound = std::is_same_v<T, float> ? 3 : 760;
  expect_ulp<T>(
      bound, [](auto d, auto x) { return exp2_of_nonpositive(d, hn::Neg(hn::Abs(x))); },
      [](Wide<T> x) { return std::exp2(-std::abs(x)); });
}

TYPED_TEST(SimdMaths, Exp2OfNonpositiveIsExactAtItsLimits) {
  using T = TypeParam;
  const hn::CappedTag<T, 1> d;
  const auto at = [&](T x) { return hn::GetLane(exp2_of_nonpositive(d, hn::Set(d, x))); };
  EXPECT_EQ(at(0), 1);
  EXPECT_EQ(at(-T(0)), 1);
  EXPECT_EQ(at(-std::numeric_limits<T>::infinity()), 0);
  EXPECT_EQ(at(std::numeric_limits<T>::lowest()), 0);
  if constexpr (std::is_same_v<T, float>) {
    for (const int n : {1, 2, 64, 126}) EXPECT_EQ(at(T(-n)), std::ldexp(T(1), -n)) << n;
    EXPECT_TRUE(std::isnan(at(std::numeric_limits<T>::quiet_NaN())));
  }
}

TYPED_TEST(SimdMaths, LimitsAreExact) {
  using T = TypeParam;
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  const hn::CappedTag<T, 1> d;
  const auto at = [&](auto function, T x) { return hn::GetLane(function(d, hn::Set(d, x))); };
  const auto exponential = [](auto tag, auto x) { return exp(tag, x); };
  const auto hyperbolic = [](auto tag, auto x) { return tanh(tag, x); };
  const auto logistic = [](auto tag, auto x) { return sigmoid(tag, x); };
  EXPECT_EQ(at(exponential, 0), 1);
  EXPECT_EQ(at(exponential, -kInfinity), 0);
  EXPECT_EQ(at(exponential, kInfinity), kInfinity);
  EXPECT_EQ(at(hyperbolic, 0), 0);
  EXPECT_EQ(at(hyperbolic, kInfinity), 1);
  EXPECT_EQ(at(hyperbolic, -kInfinity), -1);
  EXPECT_EQ(at(logistic, 0), T(0.5));
  EXPECT_EQ(at(logistic, kInfinity), 1);
  EXPECT_EQ(at(logistic, -kInfinity), 0);
  EXPECT_TRUE(std::isnan(at(hyperbolic, std::numeric_limits<T>::quiet_NaN())));
}

TYPED_TEST(SimdMaths, AnElementsResultDoesNotDependOnItsPlace) {
  using T = TypeParam;
  for (Index n = 1; n <= 40; ++n) {
    std::vector<T> y(std::size_t(n) + 1, T(-7));
    for_each_vector<T>(
        n, [&](auto d, Index j) { hn::StoreU(tanh(d, hn::Set(d, T(0.3))), d, y.data() + j); });
    for (Index i = 1; i < n; ++i) ASSERT_EQ(y[std::size_t(i)], y[0]) << i << " of " << n;
    ASSERT_EQ(y.back(), T(-7)) << "wrote past the end of " << n;
  }
}

}  // namespace
}  // namespace seqbench
