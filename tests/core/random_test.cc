#include "core/random.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

namespace seqbench {
namespace {

// Frozen: a change of these numbers changes every trained model and every published result. They
// follow from the standard's seed_seq and mt19937_64 alone, so that they hold on any platform.
TEST(Random, SequenceOfASeedIsFrozen) {
  Random random(1);
  const double first = random.uniform(), second = random.uniform();
  std::seed_seq words{1u, 0u, 0u, 0u};
  std::mt19937_64 engine(words);
  EXPECT_EQ(first, double(engine() >> 11) * 0x1p-53);
  EXPECT_EQ(second, double(engine() >> 11) * 0x1p-53);
  EXPECT_EQ(first, 0.4180840146625463);
  EXPECT_EQ(second, 0.3290213309830067);
}

TEST(Random, SeedsAndStreamsDiffer) {
  const auto first = [](std::uint64_t seed, std::uint64_t stream) {
    return Random(seed, stream).uniform();
  };
  EXPECT_EQ(first(7, 3), first(7, 3));
  EXPECT_NE(first(7, 3), first(3, 7));
  EXPECT_NE(first(7, 0), first(7, 1));
  EXPECT_NE(first(7, 0), first(7 + (1ull << 32), 0));
}

// Bounds of five standard errors: a right generator fails one such test in two million seeds.
constexpr double kSigmas = 5;
constexpr int kDraws = 1'000'000;

TEST(Random, UniformHasItsMomentsAndBounds) {
  Random random(2);
  double sum = 0, square = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double u = random.uniform();
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
    square += u * u;
  }
  // Var u = 1/12, Var u² = 4/45.
  EXPECT_NEAR(sum / kDraws, 0.5, kSigmas * std::sqrt(1. / 12 / kDraws));
  EXPECT_NEAR(square / kDraws, 1. / 3, kSigmas * std::sqrt(4. / 45 / kDraws));
}

TEST(Random, NormalHasItsMoments) {
  Random random(3);
  std::array<double, 5> moment{};
  double neighbours = 0, previous = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double z = random.normal();
    for (std::size_t k = 1; k <= 4; ++k) moment[k] += std::pow(z, double(k)) / kDraws;
    neighbours += z * previous / kDraws;  // the two halves of a Box–Muller pair are independent
    previous = z;
  }
  // Variances of z, z², z³, z⁴: 1, 2, 15, 96.
  EXPECT_NEAR(moment[1], 0, kSigmas * std::sqrt(1. / kDraws));
  EXPECT_NEAR(moment[2], 1, kSigmas * std::sqrt(2. / kDraws));
  EXPECT_NEAR(moment[3], 0, kSigmas * std::sqrt(15. / kDraws));
  EXPECT_NEAR(moment[4], 3, kSigmas * std::sqrt(96. / kDraws));
  EXPECT_NEAR(neighbours, 0, kSigmas * std::sqrt(1. / kDraws));
}

TEST(Random, BelowIsUniform) {
  Random random(4);
  for (const Index count : {1, 2, 3, 16, 33}) {
    std::vector<double> hits(std::size_t(count), 0);
    for (int i = 0; i < kDraws; ++i) {
      const Index draw = random.below(count);
      ASSERT_GE(draw, 0);
      ASSERT_LT(draw, count);
      ++hits[std::size_t(draw)];
    }
    const double p = 1. / double(count);
    for (const double n : hits) {
      EXPECT_NEAR(n / kDraws, p, kSigmas * std::sqrt(p * (1 - p) / kDraws));
    }
  }
}

// With 3·2⁶¹ results, a bare remainder would fall into the lower third of them twice as often.
TEST(Random, BelowHasNoModuloBias) {
  Random random(5);
  const Index count = Index{3} << 61;
  int lower_third = 0;
  for (int i = 0; i < kDraws; ++i) lower_third += random.below(count) < count / 3;
  EXPECT_NEAR(double(lower_third) / kDraws, 1. / 3, kSigmas * std::sqrt(2. / 9 / kDraws));
}

TEST(FillUniform, StaysInItsInterval) {
  Random random(6);
  std::vector<double> values(1000);
  fill_uniform<double>(random, values, -2, 3);
  for (const double value : values) {
    EXPECT_GE(value, -2);
    EXPECT_LT(value, 3);
  }
}

TEST(FillNormal, ShiftsAndScales) {
  Random random(7), same(7);
  std::vector<double> values(3);
  fill_normal<double>(random, values, 10, 0.5);
  for (const double value : values) EXPECT_EQ(value, 10 + 0.5 * same.normal());
}

}  // namespace
}  // namespace seqbench
