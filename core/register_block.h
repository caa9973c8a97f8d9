// The innermost product of everything that is multiplied here in tiles: a block of C in registers.
//
//   C [M, N] = start + A [M, K]·B [K, N]
//
// The lanes of a vector run along N: each step k loads one row of B and multiplies it by one
// element of each row of A, broadcast. A may therefore have any two strides, so that Aᵀ costs
// nothing, and a softmax over the rows of C needs no sum across lanes. C is cut into blocks of up
// to kBlockVectors vectors by block_rows() rows whose accumulators stay in registers for all K
// (Goto & van de Geijn 2008, sec. 4.2). Two rows are cut into blocks twice as wide, since each
// accumulator is a chain of dependent additions and it takes eight to keep the units busy, and a
// single row into blocks four times as wide, which read B fastest.
//
// The factors are float or double, as their sums are, or pairs of bfloat16 (core/bfloat16.h), whose
// step is two neighbours of the depth: by one instruction where the CPU has it, else both widened
// to float, k + 1 before k, and added one after the other as that instruction does.
//
// Cost: 2·M·N·K FLOPs; per step of a block of 6 × 4 vectors 4 vector loads and 6 broadcasts for 24
// multiply-adds. B is read once for each block of rows, A once for each
// block of columns: both want to be in the L1 or L2 cache. The sum over K runs in the order of k,
// whatever the place of an element in C is.
#pragma once

#include <hwy/highway.h>

#include "core/bfloat16.h"
#include "core/simd.h"
#include "core/tensor.h"

namespace seqbench {

// Accumulators of a block: with the vectors of B and a broadcast they fit 32 registers, or 16.
#if HWY_ARCH_X86 && HWY_TARGET > HWY_AVX3
inline constexpr Index kAccumulators = 12;
inline constexpr Index kBlockVectors = 2;
#else
inline constexpr Index kAccumulators = 24;
inline constexpr Index kBlockVectors = 4;
#endif

/// Rows of a block that is `vectors` wide; more than 12 would not hide latency any better.
constexpr Index block_rows(Index vectors) {
  return vectors == 1 ? kAccumulators / 2 : kAccumulators / vectors;
}

/// Vectors of the widest block of a product with so many rows.
constexpr Index widest_block(Index rows) {
  return rows <= 1 ? 4 * kBlockVectors : rows == 2 ? 2 * kBlockVectors : kBlockVectors;
}

/// Columns of the widest block of many rows.
template <typename T>
constexpr Index block_columns() {
  return kBlockVectors * static_cast<Index>(hn::MaxLanes(hn::ScalableTag<T>()));
}

/// Depth that one pass over a packed panel covers: 256 steps of 64 floats are 64 KiB, read from L2.
/// With half of it the panel would stay in L1, but C would be loaded and stored twice as often: 5 %
/// slower where the depth is long.
inline constexpr Index kPassDepth = 256;

/// The left factor A: element (i, k) at data[i·row_stride + k·depth_stride].
template <typename T>
struct LeftFactor {
  const T* data = nullptr;
  Index row_stride = 0;
  Index depth_stride = 1;

  LeftFactor(const T* data_, Index row_stride_, Index depth_stride_)
      : data(data_), row_stride(row_stride_), depth_stride(depth_stride_) {}
  LeftFactor(MatrixView<const T> a) : LeftFactor(a.data, a.stride, 1) {}

  LeftFactor rows_from(Index i) const { return {data + i * row_stride, row_stride, depth_stride}; }
  LeftFactor depth_from(Index k) const {
    return {data + k * depth_stride, row_stride, depth_stride};
  }
  /// The last of `depth` columns first; with B upside down the same product, summed from its end.
  LeftFactor reversed(Index depth) const {
    return {data + (depth - 1) * depth_stride, row_stride, -depth_stride};
  }
};

/// The left factor Aᵀ of a row-major A [K, M].
template <typename T>
LeftFactor<T> transposed(MatrixView<const T> a) {
  return {a.data, 1, a.stride};
}

/// What the sums start from: 0, C itself, or one row for all.
template <typename T>
struct BlockStart {
  enum Kind { kZero, kDestination, kRow } kind = kZero;
  const T* row = nullptr;  // [N], kRow alone

  BlockStart columns_from(Index j) const { return {kind, kind == kRow ? row + j : nullptr}; }
};
template <typename T>
BlockStart<T> assign() {
  return {};
}
template <typename T>
BlockStart<T> add_to() {
  return {.kind = BlockStart<T>::kDestination};
}
/// Every row of C becomes `row` + A·B.
template <typename T>
BlockStart<T> assign_plus(const T* row) {
  return {.kind = BlockStart<T>::kRow, .row = row};
}

/// Neighbouring elements to fetch into the L2 cache while a product of three rows or more runs:
/// what the next product reads. Fetched at the pace of the product, at most two cache lines for
/// each step of a block.
template <typename T>
struct Ahead {
  const T* data = nullptr;
  Index count = 0;
};

/// C [M, N] = start + A [M, K]·B [K, N], on the calling thread; M, N, K ≥ 0, K in elements of P:
/// float, double, Bfloat16Pair. C must not overlap A or B. Nothing is read or written beyond the N
/// columns.
template <typename P>
void multiply_blocks(const LeftFactor<P>& a, MatrixView<const std::type_identity_t<P>> b,
                     MatrixView<SumOf<P>> c, BlockStart<SumOf<P>> start, Ahead<P> ahead = {});

/// The same of pairs on CPUs without has_bfloat16_unit(): what multiply_blocks() does there, here
/// to be compared with the instruction.
void multiply_widened_blocks(const LeftFactor<Bfloat16Pair>& a, MatrixView<const Bfloat16Pair> b,
                             MatrixView<float> c, BlockStart<float> start);

}  // namespace seqbench
