#include "core/register_block.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "core/partial_load.h"
#include "core/parts.h"

namespace seqbench {
namespace {

// How one step of a block multiplies; `Factor` is an element of A and of B. A step has kParts, in
// each of which a vector of such elements becomes one of factors.

template <typename T>
struct MultiplyAdd {
  using Factor = T;
  static constexpr int kParts = 1;

  template <class D, class V>
  static HWY_INLINE V part(D, V elements, int) {
    return elements;
  }
  template <class D, class V>
  static HWY_INLINE V add_product(D, V a, V b, V sum) {
    return hn::MulAdd(a, b, sum);
  }
};

/// Both products of a pair by one instruction: sum + a₁·b₁, rounded, + a₀·b₀, rounded.
struct PairUnit : MultiplyAdd<Bfloat16Pair> {
  template <class D, class V>
  static HWY_INLINE V add_product(D, V a, V b, V sum) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
    // Written out, since a build for any AVX-512 has no intrinsic of it.
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum.raw) : "v"(b.raw), "v"(a.raw));
#else
    (void)a, (void)b;  // has_bfloat16_unit() is false
#endif
    return sum;
  }
};

/// The same in two parts.
struct PairWidened : MultiplyAdd<Bfloat16Pair> {
  static constexpr int kParts = 2;

  template <class D, class V>
  static HWY_INLINE V part(D d, V pairs, int i) {
    const hn::RebindToUnsigned<D> du;
    const auto bits = hn::BitCast(du, pairs);
    return hn::BitCast(d,
                       i == 0 ? hn::And(bits, hn::Set(du, 0xffff0000u)) : hn::ShiftLeft<16>(bits));
  }
};

template <typename P>
struct Block {
  using T = SumOf<P>;

  LeftFactor<P> a;
  const P* b;
  Index b_stride;
  T* c;
  Index c_stride;
  Index depth;  // K
  Index cols;   // of a partial block
  const T* start;
  Index start_stride;  // 0: one row for all
  const P* ahead;      // two cache lines from here are fetched,
  Index ahead_step;    // so many elements further at each step
};

template <typename P>
constexpr Index kLine = 64 / Index(sizeof(P));  // elements of a cache line

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

/// An element's bits as a scalar of the sums' type.
template <typename T>
HWY_INLINE T scalar_of(T element) {
  return element;
}
HWY_INLINE float scalar_of(Bfloat16Pair pair) { return std::bit_cast<float>(pair.bits); }
template <typename T>
HWY_INLINE const T* scalars_of(const T* elements) {
  return elements;
}
HWY_INLINE const float* scalars_of(const Bfloat16Pair* pairs) {
  return reinterpret_cast<const float*>(pairs);  // which vector loads alone look through
}

/// kRows × kVectors accumulators through all K. The loops over rows and vectors unroll, so that
/// `sum` never leaves the registers.
template <class Product, int kRows, int kVectors, bool kPartial>
HWY_NOINLINE void multiply_block(const Block<typename Product::Factor>& block) {
  using P = typename Product::Factor;
  using T = SumOf<P>;
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

  const P* a[kPointers];
#pragma GCC unroll 16
  for (int p = 0; p < kPointers; ++p) a[p] = block.a.data + p * kRowsOfPointer * block.a.row_stride;
  const Index row_stride = block.a.row_stride, depth_stride = block.a.depth_stride;
  const P* b = block.b;
  const P* ahead = block.ahead;
#pragma GCC unroll 4
  for (Index k = 0; k < block.depth; ++k) {
#pragma GCC unroll 2
    for (int part = 0; part < Product::kParts; ++part) {
      if constexpr (kRows == 1) {  // each vector of B is used once and needs no register of its own
        const V a_k = Product::part(d, hn::Set(d, scalar_of(*a[0])), part);
#pragma GCC unroll 16
        for (int v = 0; v < kVectors; ++v) {
          const V b_kv = Product::part(d, access.load(scalars_of(b), v), part);
          sum[0][v] = Product::add_product(d, a_k, b_kv, sum[0][v]);
        }
      } else {
        V b_k[kVectors];
#pragma GCC unroll 16
        for (int v = 0; v < kVectors; ++v) {
          b_k[v] = Product::part(d, access.load(scalars_of(b), v), part);
        }
#pragma GCC unroll 16
        for (int r = 0; r < kRows; ++r) {
          const P a_rk = a[r / kRowsOfPointer][r % kRowsOfPointer * row_stride];
          const V factor = Product::part(d, hn::Set(d, scalar_of(a_rk)), part);
#pragma GCC unroll 16
          for (int v = 0; v < kVectors; ++v) {
            sum[r][v] = Product::add_product(d, factor, b_k[v], sum[r][v]);
          }
        }
      }
    }
    if constexpr (kRows >= 3) {
      __builtin_prefetch(ahead, 0, 2);
      __builtin_prefetch(ahead + kLine<P>, 0, 2);
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

template <class Product>
using BlockFunction = void (*)(const Block<typename Product::Factor>&);

/// Rows that the widest blocks are made for.
constexpr Index most_rows(Index vectors) {
  return vectors <= kBlockVectors ? block_rows(vectors) : vectors <= widest_block(2) ? 2 : 1;
}

/// The functions for 1 … most_rows() rows.
template <class Product, int kVectors, bool kPartial>
constexpr auto functions_by_rows() {
  return []<int... kRows>(std::integer_sequence<int, kRows...>) {
    return std::array<BlockFunction<Product>, sizeof...(kRows)>{
        &multiply_block<Product, kRows + 1, kVectors, kPartial>...};
  }
  (std::make_integer_sequence<int, int(most_rows(kVectors))>());
}

template <class Product, int kVectors, bool kPartial>
constexpr auto kByRows = functions_by_rows<Product, kVectors, kPartial>();

/// By the number of vectors, then by the number of rows.
template <class Product, bool kPartial>
constexpr auto functions_by_vectors() {
  return []<int... kVectors>(std::integer_sequence<int, kVectors...>) {
    return std::array{
        std::span<const BlockFunction<Product>>(kByRows<Product, kVectors + 1, kPartial>)...};
  }
  (std::make_integer_sequence<int, int(widest_block(1))>());
}

template <class Product>
constexpr auto kWhole = functions_by_vectors<Product, false>();
template <class Product>
constexpr auto kPartial = functions_by_vectors<Product, true>();

/// Elements from one step to the next that fetch all in so many steps, or as much as can be.
template <typename T>
Index step_of(const Ahead<T>& ahead, Index steps) {
  if (ahead.count == 0 || steps == 0) return 0;
  return std::min(2 * kLine<T>, parts_in(ahead.count, steps));
}

template <class Product, typename P = typename Product::Factor, typename T = SumOf<P>>
void multiply_by(const LeftFactor<P>& a, MatrixView<const P> b, MatrixView<T> c,
                 const BlockStart<T>& start, const Ahead<P>& ahead) {
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
    const auto functions =
        (cols % lanes == 0 ? kWhole<Product> : kPartial<Product>)[std::size_t(vectors - 1)];
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

}  // namespace

template <typename P>
void multiply_blocks(const LeftFactor<P>& a, MatrixView<const std::type_identity_t<P>> b,
                     MatrixView<SumOf<P>> c, BlockStart<SumOf<P>> start, Ahead<P> ahead) {
  if constexpr (std::is_same_v<P, Bfloat16Pair>) {
    has_bfloat16_unit() ? multiply_by<PairUnit>(a, b, c, start, ahead)
                        : multiply_by<PairWidened>(a, b, c, start, ahead);
  } else {
    multiply_by<MultiplyAdd<P>>(a, b, c, start, ahead);
  }
}

void multiply_widened_blocks(const LeftFactor<Bfloat16Pair>& a, MatrixView<const Bfloat16Pair> b,
                             MatrixView<float> c, BlockStart<float> start) {
  multiply_by<PairWidened>(a, b, c, start, Ahead<Bfloat16Pair>{});
}

#define SEQBENCH_INSTANTIATE(P)                                               \
  template void multiply_blocks<P>(const LeftFactor<P>&, MatrixView<const P>, \
                                   MatrixView<SumOf<P>>, BlockStart<SumOf<P>>, Ahead<P>);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
SEQBENCH_INSTANTIATE(Bfloat16Pair)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
