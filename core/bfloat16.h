// Factors of products in bfloat16: the upper half of a float32, to which it is rounded, nearest
// even. The products of two are exact in float32, and sums over them are kept there.
//
// Two neighbours of the depth of a product lie in one element, as the instruction wants them that
// multiplies both (vdpbf16ps of AVX-512 BF16: Zen 4, Cooper Lake and later). A matrix of pairs has
// half the depth, rounded up, and what stands beyond an odd depth is 0: core/register_block.h takes
// it like any other, with any strides.
//
// With subnormals flushed, as every thread of a team has them, rounding and products give the same
// bits whether the CPU has the instruction or not.
#pragma once

#include <hwy/highway.h>

#include <bit>
#include <cstdint>

#include "core/simd.h"
#include "core/tensor.h"

namespace seqbench {

/// Factors k, in the lower half, and k + 1 of a product of even k.
struct Bfloat16Pair {
  std::uint32_t bits = 0;

  float first() const { return std::bit_cast<float>(bits << 16); }
  float second() const { return std::bit_cast<float>(bits & 0xffff0000u); }
};
static_assert(sizeof(Bfloat16Pair) == sizeof(float));

/// Of a matrix whose elements are factors of type P: the type that it is rounded from and summed
/// in, and how many neighbours of the depth an element holds.
template <typename P>
struct FactorTraits {
  using Sum = P;
  static constexpr Index kDepth = 1;
};
template <>
struct FactorTraits<Bfloat16Pair> {
  using Sum = float;
  static constexpr Index kDepth = 2;
};
template <typename P>
using SumOf = typename FactorTraits<P>::Sum;

/// Elements of type P that hold so many neighbours of the depth.
template <typename P>
constexpr Index elements_of_depth(Index depth) {
  constexpr Index n = FactorTraits<P>::kDepth;
  return (depth + n - 1) / n;
}

/// Whether the CPU multiplies pairs by one instruction and the build uses vectors that it takes.
bool has_bfloat16_unit();

/// The lanes' bits, rounded to bfloat16 in their upper half; the lower half is undefined. As
/// vcvtneps2bf16: subnormals become 0, and NaNs quiet.
template <class D>
HWY_INLINE auto rounded_to_bfloat16(D d, hn::Vec<D> x) {
  const hn::RebindToUnsigned<D> du;
  const auto bits = hn::BitCast(du, x);
  const auto lowest_kept = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
  const auto rounded = hn::Add(hn::Add(bits, hn::Set(du, 0x7fff)), lowest_kept);
  const auto is_normal = hn::Ge(hn::Abs(x), hn::Set(d, 0x1p-126f));  // or infinite
  const auto sign = hn::And(bits, hn::Set(du, 0x80000000u));
  const auto nonzero = hn::IfThenElse(hn::RebindMask(du, is_normal), rounded, sign);
  const auto is_nan = hn::RebindMask(du, hn::IsNaN(x));
  return hn::IfThenElse(is_nan, hn::Or(bits, hn::Set(du, 0x00400000u)), nonzero);
}

/// Pairs of one lane of each.
template <class D>
HWY_INLINE void store_pairs(D d, hn::Vec<D> first, hn::Vec<D> second, Bfloat16Pair* to) {
  const hn::RebindToUnsigned<D> du;
  const auto upper = hn::And(rounded_to_bfloat16(d, second), hn::Set(du, 0xffff0000u));
  const auto lower = hn::ShiftRight<16>(rounded_to_bfloat16(d, first));
  hn::StoreU(hn::Or(upper, lower), du, &to->bits);
}

/// to [M, ⌈K/2⌉] = from [M, K] in pairs of neighbours of a row: a left factor, or what its
/// transpose is multiplied by.
void round_along_rows(MatrixView<const float> from, MatrixView<Bfloat16Pair> to);

/// to [⌈K/2⌉, N] = from [K, N] in pairs of neighbours of a column: a right factor.
void round_along_columns(MatrixView<const float> from, MatrixView<Bfloat16Pair> to);

}  // namespace seqbench
