#include "core/register_block.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "core/partial_load.h"
#include "core/parts.h"

namespace seqbench {
namespace {

template <typename T>
struct Block {
  LeftFactor<T> a;
  const T* b;
  Index b_stride;
  T* c;
  Index c_stride;
  Index depth;  // K
  Index cols;   // of a partial block
  const T* start;
  Index start_stride;  // 0: one row for all
  const T* ahead;      // two cache lines from here are fetched,
  Index ahead_step;    // so many elements further at each step
};

template <typename T>
constexpr Index kLine = 64 / Index(sizeof(T));  // elements of a cache line

/// Row r of A in units of a third: with its row's stride as an index register, x86 addresses rows
/// r, r + 1 and r + 2 from one pointer, so that twelve rows need four pointers and not twelve.
constexpr int kRowsOfPointer = 3;

/// Whole vectors, but for the last one of a partial block.
template <bool kPartial, int kVectors, class D, class V = hn::Vec<D>>
struct RowAccess {
  D d;
  static constexpr Index lanes = hn::MaxLanes(D());
  PartialLoad<D> load_last;

  explicit RowAccess(Index cols) : load_last(d, cols - (kVectors - 1) * lanes) {}

  HWY_INLINE V load(const hn::TFromD<D>* row, int v) const {
    if (kPartial && v == kVectors - 1) return load_last(row + v * lanes);
    return hn::LoadU(d, row + v * lanes);
  }
  HWY_INLINE void store(V value, hn::TFromD<D>* row, int v) const {
    if (kPartial && v == kVectors - 1) {
      return hn::BlendedStore(value, load_last.mask(), d, row + v * lanes);
    }
    hn::StoreU(value, d, row + v * lanes);
  }
};

/// kRows × kVectors accumulators through all K. The loops over rows and vectors unroll, so that
/// `sum` never leaves the registers.
template <typename T, int kRows, int kVectors, bool kPartial>
HWY_NOINLINE void multiply_block(const Block<T>& block) {
  using D = hn::ScalableTag<T>;
  using V = hn::Vec<D>;
  const D d;
  const RowAccess<kPartial, kVectors, D> access(block.cols);
  constexpr int kPointers = (kRows + kRowsOfPointer - 1) / kRowsOfPointer;

  V sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      sum[r][v] = access.load(block.start + r * block.start_stride, v);
    }
  }

  const T* a[kPointers];
#pragma GCC unroll 16
  for (int p = 0; p < kPointers; ++p) a[p] = block.a.data + p * kRowsOfPointer * block.a.row_stride;
  const Index row_stride = block.a.row_stride, depth_stride = block.a.depth_stride;
  const T* b = block.b;
  const T* ahead = block.ahead;
#pragma GCC unroll 4
  for (Index k = 0; k < block.depth; ++k) {
    if constexpr (kRows == 1) {  // each vector of B is used once and needs no register of its own
      const V a_k = hn::Set(d, *a[0]);
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) sum[0][v] = hn::MulAdd(a_k, access.load(b, v), sum[0][v]);
    } else {
      V b_k[kVectors];
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) b_k[v] = access.load(b, v);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const V a_rk = hn::Set(d, a[r / kRowsOfPointer][r % kRowsOfPointer * row_stride]);
#pragma GCC unroll 16
        for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(a_rk, b_k[v], sum[r][v]);
      }
    }
    if constexpr (kRows >= 3) {
      __builtin_prefetch(ahead, 0, 2);
      __builtin_prefetch(ahead + kLine<T>, 0, 2);
      ahead += block.ahead_step;
    }
#pragma GCC unroll 16
    for (int p = 0; p < kPointers; ++p) a[p] += depth_stride;
    b += block.b_stride;
  }

#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) access.store(sum[r][v], block.c + r * block.c_stride, v);
  }
}

template <typename T>
using BlockFunction = void (*)(const Block<T>&);

/// Rows that the widest blocks are made for.
constexpr Index most_rows(Index vectors) {
  return vectors <= kBlockVectors ? block_rows(vectors) : vectors <= widest_block(2) ? 2 : 1;
}

/// The functions for 1 … most_rows() rows.
template <typename T, int kVectors, bool kPartial>
constexpr auto functions_by_rows() {
  return []<int... kRows>(std::integer_sequence<int, kRows...>) {
    return std::array<BlockFunction<T>, sizeof...(kRows)>{
        &multiply_block<T, kRows + 1, kVectors, kPartial>...};
  }
  (std::make_integer_sequence<int, int(most_rows(kVectors))>());
}

template <typename T, int kVectors, bool kPartial>
constexpr auto kByRows = functions_by_rows<T, kVectors, kPartial>();

/// By the number of vectors, then by the number of rows.
template <typename T, bool kPartial>
constexpr auto functions_by_vectors() {
  return []<int... kVectors>(std::integer_sequence<int, kVectors...>) {
    return std::array{std::span<const BlockFunction<T>>(kByRows<T, kVectors + 1, kPartial>)...};
  }
  (std::make_integer_sequence<int, int(widest_block(1))>());
}

template <typename T>
constexpr auto kWhole = functions_by_vectors<T, false>();
template <typename T>
constexpr auto kPartial = functions_by_vectors<T, true>();

/// Elements from one step to the next that fetch all in so many steps, or as much as can be.
template <typename T>
Index step_of(const Ahead<T>& ahead, Index steps) {
  if (ahead.count == 0 || steps == 0) return 0;
  return std::min(2 * kLine<T>, parts_in(ahead.count, steps));
}

}  // namespace

template <typename T>
void multiply_blocks(const LeftFactor<T>& a, MatrixView<const std::type_identity_t<T>> b,
                     MatrixView<std::type_identity_t<T>> c, BlockStart<T> start, Ahead<T> ahead) {
  constexpr Index lanes = block_columns<T>() / kBlockVectors;
  alignas(64) static constexpr T kZeros[widest_block(1) * lanes] = {};
  assert(b.cols == c.cols);
  const Index stride = start.kind == BlockStart<T>::kDestination ? c.stride : 0;
  if (c.rows == 0 || c.cols == 0) return;
  // Blocks of nearly equal width and height: one narrow or short block at the end would leave the
  // FMA units waiting for its few chains.
  const EvenParts widths =
      EvenParts::of_at_most(parts_in(c.cols, lanes), widest_block(c.rows));  // in vectors
  for (Index col_block = 0; col_block < widths.count(); ++col_block) {
    const auto [first_vector, vectors] = widths[col_block];
    const Index col = first_vector * lanes, cols = std::min(vectors * lanes, c.cols - col);
    const auto functions = (cols % lanes == 0 ? kWhole<T> : kPartial<T>)[std::size_t(vectors - 1)];
    const EvenParts heights = EvenParts::of_at_most(c.rows, block_rows(vectors));
    const Index ahead_step = step_of(ahead, widths.count() * heights.count() * b.rows);
    for (Index row_block = 0; row_block < heights.count(); ++row_block) {
      const auto [row, rows] = heights[row_block];
      const T* const first = start.kind == BlockStart<T>::kDestination ? c.row(row) + col
                             : start.kind == BlockStart<T>::kRow       ? start.row + col
                                                                       : kZeros;
      const Index steps_before = (col_block * heights.count() + row_block) * b.rows;
      functions[std::size_t(rows - 1)]({.a = a.rows_from(row),
                                        .b = b.data + col,
                                        .b_stride = b.stride,
                                        .c = c.row(row) + col,
                                        .c_stride = c.stride,
                                        .depth = b.rows,
                                        .cols = cols,
                                        .start = first,
                                        .start_stride = stride,
                                        .ahead = ahead.data + steps_before * ahead_step,
                                        .ahead_step = ahead_step});
    }
  }
}

#define SEQBENCH_INSTANTIATE(T)                                                              \
  template void multiply_blocks<T>(const LeftFactor<T>&, MatrixView<const T>, MatrixView<T>, \
                                   BlockStart<T>, Ahead<T>);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
