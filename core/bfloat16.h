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

/// Memory of sums that shall hold elements of P, which are as large.
template <typename P>
P* elements_over(SumOf<P>* memory) {
  static_assert(sizeof(P) == sizeof(SumOf<P>));
  return reinterpret_cast<P*>(memory);
}

/// The nearest bfloat16, of two equally near ones the even one; subnormals become 0.
float nearest_bfloat16(float x);

/// Whether the CPU multiplies pairs by one instruction and the build uses vectors that it takes.
bool has_bfloat16_unit();

/// How pairs are multiplied here: "vdpbf16ps", or "widened" where has_bfloat16_unit() is false.
const char* bfloat16_form();

/// The lanes' bits, rounded to bfloat16 in their upper half, of numbers that are 0, normal or
/// infinite, or NaNs whose lower half is 0; the result's lower half is undefined.
template <class V>
HWY_INLINE auto round_plain(V x) {
  const hn::RebindToUnsigned<hn::DFromV<V>> du;
  const auto bits = hn::BitCast(du, x);
  const auto lowest_kept = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
  return hn::Add(hn::Add(bits, hn::Set(du, 0x7fff)), lowest_kept);
}

/// The same of all numbers, as vcvtneps2bf16: subnormals become 0, and NaNs quiet.
template <class V>
HWY_INLINE auto round_any(V x) {
  const hn::DFromV<V> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const auto bits = hn::BitCast(du, x);
  const auto is_normal = hn::Ge(hn::Abs(x), hn::Set(d, 0x1p-126f));  // or infinite
  const auto sign = hn::And(bits, hn::Set(du, 0x80000000u));
  const auto number = hn::IfThenElse(hn::RebindMask(du, is_normal), round_plain(x), sign);
  const auto quiet = hn::Or(bits, hn::Set(du, 0x00400000u));
  return hn::IfThenElse(hn::RebindMask(du, hn::IsNaN(x)), quiet, number);
}

/// Pairs of one lane of each, rounded in their upper halves.
template <class V>
HWY_INLINE void store_pairs(V first, V second, Bfloat16Pair* to) {
  const hn::DFromV<V> du;
  const V upper = hn::And(second, hn::Set(du, 0xffff0000u));
  hn::StoreU(hn::Or(upper, hn::ShiftRight<16>(first)), du, &to->bits);
}

/// to [M, ⌈K/2⌉] = from [M, K] in pairs of neighbours of a row: a left factor, or what its
/// transpose is multiplied by.
void round_along_rows(MatrixView<const float> from, MatrixView<Bfloat16Pair> to);

/// to [⌈K/2⌉, N] = from [K, N] in pairs of neighbours of a column: a right factor.
void round_along_columns(MatrixView<const float> from, MatrixView<Bfloat16Pair> to);

/// The second of each pair of to [n] becomes from [n]: a right factor gets one row more, where its
/// depth was odd.
void round_into_second(const float* from, Bfloat16Pair* to, Index n);

}  // namespace seqbench
