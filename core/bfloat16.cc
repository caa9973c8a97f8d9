#include "core/bfloat16.h"

#include <algorithm>

#include "core/parts.h"

namespace seqbench {
namespace {

template <class V>
HWY_INLINE void round_pairs(V first, V second, Bfloat16Pair* to) {
  store_pairs(round_any(first), round_any(second), to);
}

/// round_along_rows() by the instruction, where has_bfloat16_unit().
void round_rows_by_unit(MatrixView<const float> from, MatrixView<Bfloat16Pair> to) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  const hn::ScalableTag<float> d;
  const hn::Half<hn::RebindToUnsigned<decltype(d)>> pairs;
  constexpr Index lanes = hn::MaxLanes(decltype(d)());
  const auto rounded = [&](auto x) {
    hn::Vec<decltype(pairs)> result;
    // Written out, since a build for any AVX-512 has no intrinsic of it.
    asm("vcvtneps2bf16 %1, %0" : "=v"(result.raw) : "v"(x.raw));
    return result;
  };
  const Index whole = from.cols / lanes * lanes, rest = from.cols - whole;
  for (Index i = 0; i < from.rows; ++i) {
    const float* const row = from.row(i);
    std::uint32_t* const bits = &to.row(i)->bits;
    for (Index j = 0; j < whole; j += lanes) {
      hn::StoreU(rounded(hn::LoadU(d, row + j)), pairs, bits + j / 2);
    }
    if (rest == 0) continue;
    const auto last = hn::MaskedLoad(hn::FirstN(d, std::size_t(rest)), d, row + whole);
    hn::BlendedStore(rounded(last), hn::FirstN(pairs, std::size_t(rest + 1) / 2), pairs,
                     bits + whole / 2);
  }
#else
  (void)from, (void)to;  // has_bfloat16_unit() is false
#endif
}

}  // namespace

bool has_bfloat16_unit() {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  static const bool has = __builtin_cpu_supports("avx512bf16");
  return has;
#else
  return false;
#endif
}

const char* bfloat16_form() { return has_bfloat16_unit() ? "vdpbf16ps" : "widened"; }

float nearest_bfloat16(float x) {
  const hn::CappedTag<float, 1> d;
  Bfloat16Pair pair;
  round_pairs(hn::Set(d, x), hn::Zero(d), &pair);
  return pair.first();
}

void round_along_rows(MatrixView<const float> from, MatrixView<Bfloat16Pair> to) {
  assert(to.rows == from.rows && to.cols == elements_of_depth<Bfloat16Pair>(from.cols));
  if (has_bfloat16_unit()) return round_rows_by_unit(from, to);
  const Index whole = from.cols / 2;
  for (Index i = 0; i < from.rows; ++i) {
    const float* const row = from.row(i);
    Bfloat16Pair* const pairs = to.row(i);
    for_each_vector<float>(whole, [&](auto d, Index j) {
      hn::Vec<decltype(d)> first, second;
      hn::LoadInterleaved2(d, row + 2 * j, first, second);
      round_pairs(first, second, pairs + j);
    });
    if (whole == to.cols) continue;
    const hn::CappedTag<float, 1> d;
    round_pairs(hn::Set(d, row[2 * whole]), hn::Zero(d), pairs + whole);
  }
}

void round_along_columns(MatrixView<const float> from, MatrixView<Bfloat16Pair> to) {
  assert(to.cols == from.cols && to.rows == elements_of_depth<Bfloat16Pair>(from.rows));
  for (Index k = 0; k < to.rows; ++k) {
    const float* const first = from.row(2 * k);
    const float* const second = 2 * k + 1 < from.rows ? from.row(2 * k + 1) : nullptr;
    for_each_vector<float>(to.cols, [&](auto d, Index j) {
      round_pairs(hn::LoadU(d, first + j),
                  second == nullptr ? hn::Zero(d) : hn::LoadU(d, second + j), to.row(k) + j);
    });
  }
}

void round_into_second(const float* from, Bfloat16Pair* to, Index n) {
  for_each_vector<float>(n, [&](auto d, Index j) {
    const hn::RebindToUnsigned<decltype(d)> du;
    const auto first = hn::ShiftLeft<16>(hn::LoadU(du, &to[j].bits));
    store_pairs(first, round_any(hn::LoadU(d, from + j)), to + j);
  });
}

}  // namespace seqbench
