// Vectorised exp, tanh and sigmoid, and the loop that applies them, on google/highway.
//
// The vector width is a tag `d` that the maths passes on without looking at it; the same source
// serves AVX2, AVX-512 and NEON, float and double. One element gives the same result whatever its
// place in a row is: the tail of a row runs through the same code in vectors of one lane.
//
// Error bounds, in units in the last place (ULP) of the exact result where it is a normal number
// and the subnormal range flushed to zero. float and double; tests/core/simd_test.cc holds them.
//   exp      ≤ 1 ULP   (highway, hwy/contrib/math/math-inl.h)
//   tanh     ≤ 4 ULP   float: (1 − e)/(1 + e), e = exp(−2|x|); double: highway
//   sigmoid  ≤ 4 ULP   1/(1 + exp(−x)), float by the parts of tanh, double by exp
//   exp2     ≤ 3 ULP   for x ≤ 0: the polynomial's 1.8 ULP and its roundings
#pragma once

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include "core/tensor.h"

namespace seqbench {

namespace hn = hwy::HWY_NAMESPACE;

#if defined(__AVX2__) && defined(__FMA__)
// Highway's better targets have the smaller numbers. It falls back silently, to a quarter of the
// speed, when it misses one of the many flags that it asks for.
static_assert(HWY_TARGET <= HWY_AVX2,
              "the compiler may use AVX2 and FMA, yet highway does not: compile with BMI2 and F16C "
              "too (-march=x86-64-v3) and with -DHWY_DISABLE_PCLMUL_AES where AES is missing");
#endif

/// Calls body(d, j) so that vectors of tag d at j cover [0, n) exactly: whole vectors first, then
/// the tail one element at a time.
template <typename T, typename Body>
HWY_INLINE void for_each_vector(Index n, const Body& body) {
  const hn::ScalableTag<T> whole;
  const hn::CappedTag<T, 1> single;
  const auto lanes = static_cast<Index>(hn::Lanes(whole));
  Index j = 0;
  for (; j + lanes <= n; j += lanes) body(whole, j);
  for (; j < n; ++j) body(single, j);
}

/// e^x. Highway's alone is wrong far above the overflow (float from 178, double from 1420), where
/// the exponent it builds wraps round; from kInfinite on the result is infinite in any case.
template <class D, class V>
HWY_INLINE V exp(D d, V x) {
  constexpr int kInfinite = sizeof(hn::TFromD<D>) == 4 ? 89 : 710;
  return hn::Exp(d, hn::Min(x, hn::Set(d, kInfinite)));
}

/// 2^x for x ≤ 0, with 2^0 = 1 exactly and 0 below the normal numbers: what a softmax takes of the
/// distance to the row's maximum, in half the instructions of exp. NaN stays NaN.
///
/// x = n + r with n = round(x), |r| ≤ 1/2: 2^r by a polynomial of degree 5 with p(0) = 1 whose
/// coefficients minimise the largest relative error (Lawson's algorithm: 9.1e-8, 1.1e-7 after
/// rounding them to float), 2^n by adding n to the exponent.
template <class D>
HWY_INLINE hn::Vec<D> exp2_of_nonpositive(D d, hn::Vec<D> x) {
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    // n = −127 with r = 0 makes all bits 0. The order of Max's arguments lets NaN through.
    x = hn::Max(hn::Set(d, -127.0f), x);
    // Added to 1.5·2²³, x is rounded to an integer, which stands in the lowest bits.
    const auto shifter = hn::Set(d, 12582912.0f);
    const auto shifted = hn::Add(x, shifter);
    const auto r = hn::Sub(x, hn::Sub(shifted, shifter));
    auto p = hn::MulAdd(hn::Set(d, 0.001326472731307149f), r, hn::Set(d, 0.009671512991189957f));
    p = hn::MulAdd(p, r, hn::Set(d, 0.05550733581185341f));
    p = hn::MulAdd(p, r, hn::Set(d, 0.24022242426872253f));
    p = hn::MulAdd(p, r, hn::Set(d, 0.6931470036506653f));
    p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
    const hn::RebindToSigned<D> di;
    return hn::BitCast(d, hn::Add(hn::BitCast(di, p), hn::ShiftLeft<23>(hn::BitCast(di, shifted))));
  } else {
    return hn::Exp(d, hn::Mul(x, hn::Set(d, 0.69314718055994530942)));
  }
}

/// e^x = scale·(1 + rest) for float x ≤ 0, |rest| < 0.42; below the normal numbers scale is 0.
template <class V>
struct ExpParts {
  V scale, rest;
};

/// x = n·ln 2 + r with n = round(x/ln 2), scale = 2^n, rest = e^r − 1 = r·q(r). q has degree 5 and
/// q(0) = 1; its other coefficients minimise the largest relative error of rest (Lawson's
/// algorithm: 1.3e-8, 1.7e-8 after rounding them to float), which tanh of a small number needs.
template <class D>
HWY_INLINE ExpParts<hn::Vec<D>> exp_parts_of_nonpositive(D d, hn::Vec<D> x) {
  // −88 gives n = −127 and with it scale = 0. The order of Max's arguments lets NaN through.
  x = hn::Max(hn::Set(d, -88.0f), x);
  // Added to 1.5·2²³, a number is rounded to an integer, which stands in the lowest bits.
  const auto shifter = hn::Set(d, 12582912.0f);
  const auto shifted = hn::MulAdd(x, hn::Set(d, 1.44269504f), shifter);
  const auto n = hn::Sub(shifted, shifter);
  // ln 2 as the sum of two floats.
  auto r = hn::NegMulAdd(n, hn::Set(d, 0.693147182f), x);
  r = hn::NegMulAdd(n, hn::Set(d, -1.90465421e-9f), r);
  auto q = hn::MulAdd(hn::Set(d, 0.0013882517f), r, hn::Set(d, 0.0083665475f));
  q = hn::MulAdd(q, r, hn::Set(d, 0.0416672f));
  q = hn::MulAdd(q, r, hn::Set(d, 0.16666543f));
  q = hn::MulAdd(q, r, hn::Set(d, 0.49999997f));
  q = hn::MulAdd(q, r, hn::Set(d, 1.0f));
  const hn::RebindToSigned<D> di;
  const auto one_as_bits = hn::BitCast(di, hn::Set(d, 1.0f));
  const auto scale = hn::Add(hn::ShiftLeft<23>(hn::BitCast(di, shifted)), one_as_bits);
  return {hn::BitCast(d, scale), hn::Mul(q, r)};
}

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
// 1/x within 2⁻¹⁴ of it: highway's own has 12 bits in vectors of less than 256.
HWY_INLINE __m128 reciprocal_14(__m128 x) { return _mm_rcp14_ps(x); }
HWY_INLINE __m256 reciprocal_14(__m256 x) { return _mm256_rcp14_ps(x); }
HWY_INLINE __m512 reciprocal_14(__m512 x) { return _mm512_rcp14_ps(x); }
#endif

/// 1/x for 1 ≤ x ≤ 2, exact at 1 and 2, from a first guess by Newton's iteration, each step of
/// which squares its relative error: AVX-512 has an instruction for 14 bits of it, elsewhere it is
/// the quadratic polynomial of least relative error, 1/99 (1 − x·p(x) is the Chebyshev polynomial
/// T₃ of that interval). A divider would serve one vector in 16 cycles, this takes 2 or 3.
template <class D>
HWY_INLINE hn::Vec<D> reciprocal_from_1_to_2(D d, hn::Vec<D> x) {
  const auto one = hn::Set(d, 1.0f);
  const auto improved = [&](auto p) { return hn::MulAdd(p, hn::NegMulAdd(x, p, one), p); };
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  return improved(hn::Vec<D>{reciprocal_14(x.raw)});
#else
  const auto p = hn::MulAdd(hn::Set(d, 32.0f / 99), x, hn::Set(d, -144.0f / 99));
  return improved(improved(hn::MulAdd(p, x, hn::Set(d, 210.0f / 99))));
#endif
}

/// tanh x.
template <class D, class V>
HWY_INLINE V tanh(D d, V x) {
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    const auto [scale, rest] = exp_parts_of_nonpositive(d, hn::Mul(hn::Set(d, -2.0f), hn::Abs(x)));
    const V e_minus_1 = hn::MulAdd(scale, rest, hn::Sub(scale, hn::Set(d, 1.0f)));
    const V reciprocal = reciprocal_from_1_to_2(d, hn::Add(e_minus_1, hn::Set(d, 2.0f)));
    return hn::CopySign(hn::Mul(e_minus_1, reciprocal), x);
  } else {
    return hn::Tanh(d, x);
  }
}

/// The logistic function σ(x) = 1/(1 + e^−x).
template <class D, class V>
HWY_INLINE V sigmoid(D d, V x) {
  const V one = hn::Set(d, 1);
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    // With e = e^−|x| ≤ 1: 1/(1 + e) for x ≥ 0, e/(1 + e) for x < 0.
    const auto [scale, rest] = exp_parts_of_nonpositive(d, hn::Neg(hn::Abs(x)));
    const V e = hn::MulAdd(scale, rest, scale);
    const V reciprocal = reciprocal_from_1_to_2(d, hn::Add(one, e));
    return hn::Mul(hn::IfThenElse(hn::Lt(x, hn::Zero(d)), e, one), reciprocal);
  } else {
    return hn::Div(one, hn::Add(one, exp(d, hn::Neg(x))));
  }
}

}  // namespace seqbench
