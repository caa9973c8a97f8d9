#include "core/matrix_vector.h"

#include <hwy/highway.h>

#include <algorithm>

#include "core/partial_load.h"
#include "core/simd.h"

namespace seqbench {
namespace {

/// The 128-bit blocks of v, added.
template <class D>
HWY_INLINE auto sum_of_blocks(D, hn::Vec<D> v) {
  if constexpr (hn::MaxLanes(D()) * sizeof(hn::TFromD<D>) <= 16) {
    return v;
  } else {
    const hn::Half<D> half;
    return sum_of_blocks(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}

/// [a, b]: half as many lanes of each, every one the sum of two.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V pair_sums(D d, V a, V b) {
  return hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));
}

/// Stores what each of four vectors sums to: three additions and shuffles where four sums across
/// lanes would take twelve.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void store_lane_sums(D d, const V (&sums)[4], hn::TFromD<D>* destination) {
  const V ab = pair_sums(d, sums[0], sums[1]), ce = pair_sums(d, sums[2], sums[3]);
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    const hn::RepartitionToWide<D> pairs;
    const auto low = hn::InterleaveLower(pairs, hn::BitCast(pairs, ab), hn::BitCast(pairs, ce));
    const auto high = hn::InterleaveUpper(pairs, hn::BitCast(pairs, ab), hn::BitCast(pairs, ce));
    const auto all = sum_of_blocks(d, hn::Add(hn::BitCast(d, low), hn::BitCast(d, high)));
    hn::StoreU(all, hn::DFromV<decltype(all)>(), destination);
  } else {
    const auto first = sum_of_blocks(d, ab), second = sum_of_blocks(d, ce);
    const hn::DFromV<decltype(first)> block;
    hn::StoreU(first, block, destination);
    hn::StoreU(second, block, destination + 2);
  }
}

}  // namespace

template <typename T>
void matrix_vector(MatrixView<const std::type_identity_t<T>> a, const std::type_identity_t<T>* x,
                   T* y) {
  constexpr Index kRows = 4;
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  const Index whole = a.cols / lanes * lanes;
  const PartialLoad load_tail(d, a.cols - whole);
  for (Index i = 0; i < a.rows; i += kRows) {
    const Index rows = std::min(kRows, a.rows - i);
    const T* row[kRows];
    for (Index r = 0; r < kRows; ++r) row[r] = a.row(i + std::min(r, rows - 1));
    hn::Vec<decltype(d)> sums[kRows];
    for (auto& sum : sums) sum = hn::Zero(d);
    for (Index k = 0; k < whole; k += lanes) {
      const auto x_k = hn::LoadU(d, x + k);
      for (Index r = 0; r < kRows; ++r)
        sums[r] = hn::MulAdd(x_k, hn::LoadU(d, row[r] + k), sums[r]);
    }
    if (whole < a.cols) {
      const auto x_k = load_tail(x + whole);
      for (Index r = 0; r < kRows; ++r) {
        sums[r] = hn::MulAdd(x_k, load_tail(row[r] + whole), sums[r]);
      }
    }
    T results[kRows];
    store_lane_sums(d, sums, results);
    std::copy_n(results, rows, y + i);
  }
}

#define SEQBENCH_INSTANTIATE(T) template void matrix_vector<T>(MatrixView<const T>, const T*, T*);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
