#include "core/bfloat16.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/thread_team.h"
#include "tests/test_data.h"

#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

namespace seqbench {
namespace {

/// By its definition: of the two neighbours the nearer one, of equally near ones the even one.
std::uint32_t rounded_by_definition(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t exponent = bits >> 23 & 0xffu;
  if (exponent == 0xffu && (bits & 0x7fffffu) != 0) return (bits | 0x00400000u) >> 16;  // NaN
  if (exponent == 0) return bits >> 31 << 15;  // 0, and subnormals
  const std::uint32_t below = bits >> 16, rest = bits & 0xffffu;
  return rest > 0x8000u || (rest == 0x8000u && below % 2 == 1) ? below + 1 : below;
}

/// Every exponent and sign with fractions that lie below, at and above the middle of even and odd
/// neighbours; infinities, NaNs and subnormals among them.
std::vector<float> all_kinds() {
  std::vector<float> values;
  for (std::uint32_t upper = 0; upper < 0x10000u; upper += 0x3fu) {
    for (const std::uint32_t lower : {0x0u, 0x1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      values.push_back(std::bit_cast<float>(upper << 16 | lower));
    }
  }
  for (const std::uint32_t bits : {0x7f800000u, 0xff800000u, 0x7f800001u, 0x7fffffffu, 0x7f7fffffu,
                                   0x007fffffu, 0x807fffffu, 0x00800000u, 0x3f808000u}) {
    values.push_back(std::bit_cast<float>(bits));
  }
  return values;
}

TEST(RoundAlongRows, IsNearestEvenForEveryKindOfNumberAndAnyLength) {
  flush_subnormals_to_zero();
  const std::vector<float> values = all_kinds();
  const auto n = Index(values.size());
  Tensor<float> from({1, n});
  std::ranges::copy(values, from.data());
  for (const Index count : {n, n - 1, Index{1}, Index{2}, Index{33}, Index{34}}) {
    Tensor<Bfloat16Pair> to({1, elements_of_depth<Bfloat16Pair>(count)});
    round_along_rows(std::as_const(from).matrix().column_block(0, count), to.matrix());
    for (Index j = 0; j < count; ++j) {
      const std::uint32_t half = to[j / 2].bits >> (j % 2 * 16) & 0xffffu;
      ASSERT_EQ(half, rounded_by_definition(from[j])) << std::hexfloat << from[j];
    }
    if (count % 2 == 1) {
      ASSERT_EQ(to[count / 2].bits >> 16, 0u);
    }
  }
}

TEST(RoundAlongColumns, IsTheTransposeOfTheOther) {
  Random random(1);
  for (const Index depth : {1, 2, 7, 64}) {
    for (const Index cols : {1, 16, 37}) {
      const auto from = normal_tensor<float>(random, {depth, cols});
      Tensor<float> from_t({cols, depth});
      for (Index k = 0; k < depth; ++k) {
        for (Index j = 0; j < cols; ++j) from_t.matrix()(j, k) = from.matrix()(k, j);
      }
      const Index pairs = elements_of_depth<Bfloat16Pair>(depth);
      Tensor<Bfloat16Pair> to({pairs, cols}), to_t({cols, pairs});
      round_along_columns(from.matrix(), to.matrix());
      round_along_rows(std::as_const(from_t).matrix(), to_t.matrix());
      for (Index k = 0; k < pairs; ++k) {
        for (Index j = 0; j < cols; ++j) {
          ASSERT_EQ(to.matrix()(k, j).bits, to_t.matrix()(j, k).bits);
        }
      }
    }
  }
}

TEST(RoundIntoSecond, LeavesTheFirstOfEachPair) {
  Random random(2);
  for (const Index n : {1, 16, 37}) {
    const auto rows = normal_tensor<float>(random, {2, n});
    Tensor<Bfloat16Pair> both({1, n}), one_by_one({1, n});
    round_along_columns(rows.matrix(), both.matrix());
    round_along_columns(rows.matrix().row_block(0, 1), one_by_one.matrix());
    round_into_second(rows.matrix().row(1), one_by_one.data(), n);
    for (Index j = 0; j < n; ++j) EXPECT_EQ(one_by_one[j].bits, both[j].bits);
    // Whatever stood there.
    round_into_second(rows.matrix().row(1), one_by_one.data(), n);
    for (Index j = 0; j < n; ++j) EXPECT_EQ(one_by_one[j].bits, both[j].bits);
  }
}

#if defined(__AVX512BF16__)
TEST(RoundAlongRows, IsTheCpusOwnInstruction) {
  if (!has_bfloat16_unit()) GTEST_SKIP() << "this CPU has none";
  const std::vector<float> values = all_kinds();
  for (std::size_t i = 0; i + 16 <= values.size(); i += 16) {
    alignas(32) std::uint16_t halves[16];
    const auto rounded = _mm512_cvtneps_pbh(_mm512_loadu_ps(values.data() + i));
    _mm256_store_si256(reinterpret_cast<__m256i*>(halves), (__m256i)rounded);
    for (std::size_t j = 0; j < 16; ++j) {
      ASSERT_EQ(halves[j], rounded_by_definition(values[i + j])) << std::hexfloat << values[i + j];
    }
  }
}
#endif

}  // namespace
}  // namespace seqbench
