#include "core/dropout.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace seqbench {
namespace {

TEST(Dropout, DropsTheAskedShareAndKeepsTheMean) {
  constexpr std::size_t kCount = 1'000'001;
  for (const double p : {0.1, 0.5}) {
    Random random(1);
    std::vector<double> multipliers(kCount);
    draw_multipliers({.probability = p, .random = &random}, std::span(multipliers));
    double dropped = 0, sum = 0, pairs = 0;
    for (std::size_t i = 0; i < kCount; ++i) {
      EXPECT_TRUE(multipliers[i] == 0 ||
                  std::abs(multipliers[i] * (1 - p) - 1) <= 0x1p-17 / (1 - p) * 1.001);
      dropped += multipliers[i] == 0;
      sum += multipliers[i];
      pairs += i > 0 && multipliers[i] == 0 && multipliers[i - 1] == 0;
    }
    // Five standard errors of a binomial share, and p's rounding.
    const double n = double(kCount), error = 5 * std::sqrt(p * (1 - p) / n) + 0x1p-17;
    EXPECT_NEAR(dropped / n, p, error);
    EXPECT_NEAR(sum / n, 1, error / (1 - p));
    EXPECT_NEAR(pairs / n, p * p, 10 * std::sqrt(p * p / n)) << "neighbours are independent";
  }
}

TEST(Dropout, DropsNothingWithoutASourceOrAProbability) {
  Random random(1);
  EXPECT_FALSE((Dropout{.probability = 0.1}.drops()));
  EXPECT_FALSE((Dropout{.random = &random}.drops()));
  EXPECT_TRUE((Dropout{.probability = 0.1, .random = &random}.drops()));
}

}  // namespace
}  // namespace seqbench
