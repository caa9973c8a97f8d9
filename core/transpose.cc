#include "core/transpose.h"

#include <algorithm>

#include "core/simd.h"

namespace seqbench {
namespace {

/// The square of one 16-byte vector; strides in elements.
HWY_INLINE void transpose_square(const float* from, Index from_stride, float* to, Index to_stride) {
  const hn::FixedTag<float, 4> d;
  const auto r0 = hn::LoadU(d, from), r1 = hn::LoadU(d, from + from_stride);
  const auto r2 = hn::LoadU(d, from + 2 * from_stride), r3 = hn::LoadU(d, from + 3 * from_stride);
  const auto even_lower = hn::InterleaveLower(d, r0, r2);
  const auto even_upper = hn::InterleaveUpper(d, r0, r2);
  const auto odd_lower = hn::InterleaveLower(d, r1, r3);
  const auto odd_upper = hn::InterleaveUpper(d, r1, r3);
  hn::StoreU(hn::InterleaveLower(d, even_lower, odd_lower), d, to);
  hn::StoreU(hn::InterleaveUpper(d, even_lower, odd_lower), d, to + to_stride);
  hn::StoreU(hn::InterleaveLower(d, even_upper, odd_upper), d, to + 2 * to_stride);
  hn::StoreU(hn::InterleaveUpper(d, even_upper, odd_upper), d, to + 3 * to_stride);
}

HWY_INLINE void transpose_square(const double* from, Index from_stride, double* to,
                                 Index to_stride) {
  const hn::FixedTag<double, 2> d;
  const auto r0 = hn::LoadU(d, from), r1 = hn::LoadU(d, from + from_stride);
  hn::StoreU(hn::InterleaveLower(d, r0, r1), d, to);
  hn::StoreU(hn::InterleaveUpper(d, r0, r1), d, to + to_stride);
}

HWY_INLINE void transpose_square(const Bfloat16Pair* from, Index from_stride, Bfloat16Pair* to,
                                 Index to_stride) {
  transpose_square(reinterpret_cast<const float*>(from), from_stride, reinterpret_cast<float*>(to),
                   to_stride);
}

/// A band of whole squares' height, then the columns that are left.
template <typename T>
void transpose_band(MatrixView<const T> from, MatrixView<T> to) {
  constexpr Index kSide = 16 / Index(sizeof(T));
  Index j = 0;
  for (; j + kSide <= from.cols; j += kSide) {
    transpose_square(from.data + j, from.stride, to.row(j), to.stride);
  }
  for (; j < from.cols; ++j) {
    for (Index i = 0; i < from.rows; ++i) to(j, i) = from(i, j);
  }
}

/// All rows of a few columns.
template <typename T>
void transpose_strip(MatrixView<const T> from, MatrixView<T> to) {
  constexpr Index kSide = 16 / Index(sizeof(T));
  Index i = 0;
  for (; i + kSide <= from.rows; i += kSide) {
    transpose_band<T>(from.row_block(i, kSide), to.column_block(i, kSide));
  }
  for (; i < from.rows; ++i) {
    for (Index j = 0; j < from.cols; ++j) to(j, i) = from(i, j);
  }
}

// A strip is one cache line of each row, so that the few rows of `to` that it fills stay in L1.
template <typename T>
constexpr Index kStripColumns = 64 / Index(sizeof(T));

}  // namespace

template <typename T>
void transpose(MatrixView<const std::type_identity_t<T>> from, MatrixView<T> to) {
  assert(from.rows == to.cols && from.cols == to.rows);
  for (Index j = 0; j < from.cols; j += kStripColumns<T>) {
    const Index cols = std::min(kStripColumns<T>, from.cols - j);
    transpose_strip<T>(from.column_block(j, cols), to.row_block(j, cols));
  }
}

void transpose(MatrixView<const float> from, MatrixView<Bfloat16Pair> to) {
  constexpr Index kRows = 16, kPairs = 64;  // of a part that is rounded as it lies
  alignas(64) Bfloat16Pair part[kRows * kPairs];
  for (Index i = 0; i < from.rows; i += kRows) {
    const Index rows = std::min(kRows, from.rows - i);
    for (Index k = 0; k < to.rows; k += kPairs) {
      const Index pairs = std::min(kPairs, to.rows - k);
      const Index columns = std::min(2 * pairs, from.cols - 2 * k);
      const MatrixView<Bfloat16Pair> rounded(part, rows, pairs);
      round_along_rows(from.row_block(i, rows).column_block(2 * k, columns), rounded);
      transpose<Bfloat16Pair>(rounded, to.row_block(k, pairs).column_block(i, rows));
    }
  }
}

template void transpose<float>(MatrixView<const float>, MatrixView<float>);
template void transpose<double>(MatrixView<const double>, MatrixView<double>);
template void transpose<Bfloat16Pair>(MatrixView<const Bfloat16Pair>, MatrixView<Bfloat16Pair>);

}  // namespace seqbench
