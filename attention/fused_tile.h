// What the fused kernel does with one tile: some keys against some queries.
//
// A tile is transposed: a row is a key and a column, hence a lane of a vector, is a query. So a
// query's maximum and sum run down its lane and never across a vector, and all products of forward
// and backward are the one of core/register_block.h, with K and V as they lie in memory:
//
//   Sᵀ = K·Qᵀ     Oᵀ += Vᵀ·Pᵀ                                                      forward
//   dPᵀ = V·dOᵀ   dV += Pᵀ·dO   dK += dSᵀ·Q   dQᵀ += Kᵀ·dSᵀ                         backward
//
// The factors are T, or pairs of bfloat16 P (core/bfloat16.h): of neighbours in the depth of each
// product, which is d_k, keys, or queries.
//
// Which tile is computed by whom is the business of fused_attention.cc and
// fused_attention_backward.cc.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/bfloat16.h"
#include "core/elementwise.h"
#include "core/parts.h"
#include "core/register_block.h"
#include "core/simd.h"
#include "core/tensor.h"
#include "core/transpose.h"

namespace seqbench {

/// Queries of a tile: as many as the widest block has columns (64 floats with AVX-512).
template <typename T>
constexpr Index kQueryTile = block_columns<T>();

// Keys of a tile: 22 register blocks of six, so that no block is lower than the others. A float
// tile of 132×64 is 33 KiB, written by one product, exponentiated and read by the next from L1 and
// L2. With 64 keys it would stay in L1, but a product's start and end would weigh more: forward is
// 1 %, backward 10 % slower.
inline constexpr Index kKeyTile = 132;

/// Consecutive rows of a sequence.
struct RowRange {
  Index first = 0;
  Index count = 0;
  Index end() const { return first + count; }
  /// Those of them in [from, to).
  RowRange between(Index from, Index to) const {
    const Index start = std::max(first, from);
    return {start, std::max<Index>(0, std::min(end(), to) - start)};
  }
};

template <typename T>
MatrixView<T> rows_of(MatrixView<T> matrix, RowRange range) {
  return matrix.row_block(range.first, range.count);
}

/// Asks for part `part` of `parts` of some rows, on their way to the L2 cache while other work goes
/// on.
template <typename T>
void prefetch_part(MatrixView<const T> rows, Index part, Index parts) {
  constexpr Index kLine = 64 / Index(sizeof(T));
  for (Index i = rows.rows * part / parts; i < rows.rows * (part + 1) / parts; ++i) {
    for (Index j = 0; j < rows.cols; j += kLine) __builtin_prefetch(rows.row(i) + j, 0, 2);
  }
}

/// Where a tile stands, as far as causality is concerned: query `query` + i sees key `key` + j when
/// key + j ≤ query + i.
struct TilePosition {
  bool causal = false;
  Index query = 0;
  Index key = 0;

  bool hides_some_of(Index keys) const { return causal && key + keys - 1 > query; }
};

/// The queries of a tile from its `first_query`-th on, and keys that they meet.
struct TileShare {
  Index first_query;
  RowRange keys;
};

/// Which of a tile's queries meet which of some keys. Where causality hides keys, the tile is cut
/// in two: the earlier half of its queries does not meet what only the later half sees, which saves
/// a quarter of the products on the diagonal.
template <typename T>
std::array<TileShare, 2> shares_of(RowRange queries, RowRange keys, bool causal) {
  if (!causal) return {{{0, keys}, {0, {}}}};
  constexpr Index kHalf = kQueryTile<T> / 2;
  const Index later = std::min(queries.first + kHalf, queries.end());
  return {{{0, keys.between(0, later)}, {kHalf, keys.between(later, queries.end())}}};
}

/// The elements of P that hold some keys as a depth; they start with an even one.
template <typename P>
RowRange depth_range(RowRange keys) {
  assert(keys.first % FactorTraits<P>::kDepth == 0);
  return {keys.first / FactorTraits<P>::kDepth, elements_of_depth<P>(keys.count)};
}

/// to [d_k, kQueryTile] = rowsᵀ, of at most kQueryTile rows, with d_k in elements of P, rounded
/// where F is not P; the columns that are left become 0.
template <typename F, typename P>
void transpose_queries(MatrixView<const F> rows, MatrixView<P> to) {
  set_zero(to.column_block(rows.rows, to.cols - rows.rows));
  transpose(rows, to.column_block(0, rows.rows));
}

/// The logits of keys that a query does not see become −∞. tile [keys, kQueryTile].
template <typename T>
void hide_later_keys(MatrixView<T> tile, TilePosition at) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  const auto hidden = hn::Set(d, -std::numeric_limits<T>::infinity());
  for (Index j = 0; j < tile.rows; ++j) {
    for (Index i = 0; i < tile.cols; i += lanes) {
      // Lane n of this vector is query at.query + i + n.
      const auto seen =
          hn::Ge(hn::Iota(d, static_cast<T>(at.query - at.key + i)), hn::Set(d, static_cast<T>(j)));
      T* const s = tile.row(j) + i;
      hn::StoreU(hn::IfThenElse(seen, hn::LoadU(d, s), hidden), d, s);
    }
  }
}

/// The online softmax of some queries, a vector after the other (Milakov & Gimelshein 2018,
/// alg. 3).
template <typename T>
struct OnlineSoftmax {
  T* max;    // m of each, of the unscaled logits q·k; −∞ before the first key
  T* sum;    // l of each = Σ e^((s − m)/√d_k); 0 before the first key
  T factor;  // log₂e/√d_k: e^((s − m)/√d_k) = 2^((s − m)·factor)
};

template <typename T>
T exponent_factor(Index head_width) {
  return static_cast<T>(1.4426950408889634074 / std::sqrt(double(head_width)));
}

/// One tile in [keys, queries], kVectors of them: logits become e^((s − m)/√d_k), and m and l take
/// the keys in. Where an m has moved, Oᵀ [d_k, queries] is rescaled. Returns the tile as the right
/// factor of Vᵀ·Pᵀ, over its own memory; l sums what is not rounded for that.
///
/// The difference s − m comes first: it is exact near the maximum, however large the logits are.
template <int kVectors, typename P, typename T = SumOf<P>>
MatrixView<const P> exponentiate_tile(MatrixView<T> tile, const OnlineSoftmax<T>& rows,
                                      MatrixView<T> output) {
  using D = hn::ScalableTag<T>;
  using V = hn::Vec<D>;
  const D d;
  constexpr Index lanes = hn::MaxLanes(D());
  const auto factor = hn::Set(d, rows.factor);

  V m[kVectors], l[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) m[v] = hn::LoadU(d, rows.max + v * lanes);
  for (Index j = 0; j < tile.rows; ++j) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      m[v] = hn::Max(m[v], hn::LoadU(d, tile.row(j) + v * lanes));
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const auto before = hn::LoadU(d, rows.max + v * lanes);
    l[v] = hn::LoadU(d, rows.sum + v * lanes);
    if (hn::AllTrue(d, hn::Eq(before, m[v]))) continue;
    const auto shrink = exp2_of_nonpositive(d, hn::Mul(hn::Sub(before, m[v]), factor));
    hn::StoreU(m[v], d, rows.max + v * lanes);
    l[v] = hn::Mul(l[v], shrink);
    for (Index c = 0; c < output.rows; ++c) {
      T* const o = output.row(c) + v * lanes;
      hn::StoreU(hn::Mul(hn::LoadU(d, o), shrink), d, o);
    }
  }
  const MatrixView<P> factors(elements_over<P>(tile.data), elements_of_depth<P>(tile.rows),
                              tile.cols, tile.stride);
  const auto exponentiate = [&](Index j, int v) {
    const auto s = hn::LoadU(d, tile.row(j) + v * lanes);
    const auto p = exp2_of_nonpositive(d, hn::Mul(hn::Sub(s, m[v]), factor));
    l[v] = hn::Add(l[v], p);
    return p;
  };
  for (Index j = 0; j < factors.rows; ++j) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      if constexpr (std::is_same_v<P, T>) {
        hn::StoreU(exponentiate(j, v), d, factors.row(j) + v * lanes);
      } else {
        const auto first = exponentiate(2 * j, v);
        const auto second = 2 * j + 1 < tile.rows ? exponentiate(2 * j + 1, v) : hn::Zero(d);
        store_pairs(round_plain(first), round_plain(second), factors.row(j) + v * lanes);
      }
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) hn::StoreU(l[v], d, rows.sum + v * lanes);
  return factors;
}

/// Some queries on their way through the keys: a tile of them, or the later half of one.
template <typename P>
struct ForwardTile {
  using T = SumOf<P>;

  MatrixView<const P> q_t;  // Qᵀ [d_k, queries], d_k in elements of P
  MatrixView<T> output_t;   // Oᵀ [d_k, queries] = Σ e^((s − m)/√d_k)·v over the keys so far
  OnlineSoftmax<T> softmax;

  ForwardTile from(Index query) const {
    return {.q_t = q_t.column_block(query, q_t.cols - query),
            .output_t = output_t.column_block(query, q_t.cols - query),
            .softmax = {softmax.max + query, softmax.sum + query, softmax.factor}};
  }
};

template <typename P, typename T = SumOf<P>>
void begin_tile(const ForwardTile<P>& tile) {
  set_zero(tile.output_t);
  std::fill_n(tile.softmax.max, kQueryTile<T>, -std::numeric_limits<T>::infinity());
  std::fill_n(tile.softmax.sum, kQueryTile<T>, T{0});
}

/// The same for queries that met other keys before, whose m and l are there: O [queries, d_k] as
/// leave_tile() left it.
template <typename P, typename T = SumOf<P>>
void resume_tile(const ForwardTile<P>& tile, MatrixView<const T> output) {
  transpose_queries<T>(output, tile.output_t);
}

/// Some keys and their values, [keys, d_k] each: d_k of k and keys of v in elements of P.
template <typename P>
struct KeyRows {
  MatrixView<const P> k, v;
};

/// What to fetch while a tile's two products run.
template <typename P>
struct AheadOfTile {
  Ahead<P> with_scores, with_output;
};

/// Part `part` of `parts` of some rows that lie in one piece; nothing of others.
template <typename P>
Ahead<P> part_of(MatrixView<const P> rows, Index part, Index parts) {
  if (rows.stride != rows.cols) return {};
  const auto [first, count] = EvenParts::into(rows.rows * rows.cols, parts)[part];
  return {rows.data + first, count};
}

/// Forward, one tile. `scores` [keys, queries] is scratch.
template <typename P, typename T = SumOf<P>>
void attend_tile(const ForwardTile<P>& queries, const KeyRows<P>& keys, TilePosition at,
                 MatrixView<T> scores, const AheadOfTile<P>& ahead) {
  multiply_blocks<P>(keys.k, queries.q_t, scores, assign<T>(), ahead.with_scores);
  if (at.hides_some_of(keys.k.rows)) hide_later_keys(scores, at);
  const MatrixView<const P> p_t =
      scores.cols == kQueryTile<T>
          ? exponentiate_tile<kBlockVectors, P>(scores, queries.softmax, queries.output_t)
          : exponentiate_tile<kBlockVectors / 2, P>(scores, queries.softmax, queries.output_t);
  multiply_blocks<P>(transposed(keys.v), p_t, queries.output_t, add_to<T>(), ahead.with_output);
}

/// After the last key: output [queries, d_k] = Oᵀᵀ/l. Spoils Oᵀ.
template <typename P, typename T = SumOf<P>>
void finish_tile(const ForwardTile<P>& tile, MatrixView<T> output) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  for (Index i = 0; i < kQueryTile<T>; i += lanes) {
    const auto inverse_sum = hn::Div(hn::Set(d, T{1}), hn::LoadU(d, tile.softmax.sum + i));
    for (Index c = 0; c < tile.output_t.rows; ++c) {
      T* const o = tile.output_t.row(c) + i;
      hn::StoreU(hn::Mul(hn::LoadU(d, o), inverse_sum), d, o);
    }
  }
  transpose<T>(tile.output_t.column_block(0, output.rows), output);
}

/// Where other keys follow: output [queries, d_k] = Oᵀᵀ, not yet divided.
template <typename P, typename T = SumOf<P>>
void leave_tile(const ForwardTile<P>& tile, MatrixView<T> output) {
  transpose<T>(tile.output_t.column_block(0, output.rows), output);
}

/// What backward knows of a tile's queries, or of the later half of them.
template <typename P>
struct BackwardTile {
  using T = SumOf<P>;

  Index queries;                        // columns behind them are padding
  MatrixView<const P> q, d_output;      // Q, dO [queries, d_k], queries in elements of P
  MatrixView<const P> q_t, d_output_t;  // their transposes, padded with zeros to kQueryTile
                                        // columns, d_k in elements of P
  const T* row_max;                     // m, as forward left it
  const T* row_sum;                     // l
  const T* row_delta;                   // rowsum(dO ∘ O)
  MatrixView<T> dq_t;                   // dQᵀ [d_k, kQueryTile]
  bool first_keys;                      // dq_t is assigned, not added to

  BackwardTile from(Index query) const {
    const Index columns = q_t.cols - query;
    const RowRange rows = depth_range<P>({query, queries - query});
    return {.queries = queries - query,
            .q = rows_of(q, rows),
            .d_output = rows_of(d_output, rows),
            .q_t = q_t.column_block(query, columns),
            .d_output_t = d_output_t.column_block(query, columns),
            .row_max = row_max + query,
            .row_sum = row_sum + query,
            .row_delta = row_delta + query,
            .dq_t = dq_t.column_block(query, columns),
            .first_keys = first_keys};
  }
};

/// Some keys: k and v [keys, d_k] with d_k in elements of P, and K with keys in them.
template <typename P>
struct KeyGradientRows {
  using T = SumOf<P>;

  MatrixView<const P> k, v, k_of_keys;
  MatrixView<T> dk, dv;  // [keys, d_k]
  bool first_queries;    // dk and dv are assigned, not added to
};

/// Scratch, [keys, queries] each.
template <typename T>
struct GradientTiles {
  MatrixView<T> p_t;   // logits q·k, then Pᵀ
  MatrixView<T> ds_t;  // dPᵀ, then dSᵀ/√d_k

  GradientTiles from(Index query) const {
    return {p_t.column_block(query, p_t.cols - query), ds_t.column_block(query, p_t.cols - query)};
  }
};

/// P = e^((s − m)/√d_k)/l and dS/√d_k = P ∘ (dP − delta)/√d_k.
template <typename P, typename T = SumOf<P>>
void differentiate_softmax(const GradientTiles<T>& tiles, const BackwardTile<P>& rows) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  const Index head_width = rows.q.cols;
  const auto factor = hn::Set(d, exponent_factor<T>(head_width));
  const auto scale = hn::Set(d, 1 / std::sqrt(static_cast<T>(head_width)));
  for (Index i = 0; i < tiles.p_t.cols; i += lanes) {
    const auto m = hn::LoadU(d, rows.row_max + i), delta = hn::LoadU(d, rows.row_delta + i);
    const auto inverse_sum = hn::Div(hn::Set(d, T{1}), hn::LoadU(d, rows.row_sum + i));
    for (Index j = 0; j < tiles.p_t.rows; ++j) {
      T *const p = tiles.p_t.row(j) + i, *const ds = tiles.ds_t.row(j) + i;
      const auto exponent = hn::Mul(hn::Sub(hn::LoadU(d, p), m), factor);
      const auto probability = hn::Mul(exp2_of_nonpositive(d, exponent), inverse_sum);
      const auto dp = hn::Sub(hn::LoadU(d, ds), delta);
      hn::StoreU(probability, d, p);
      hn::StoreU(hn::Mul(hn::Mul(probability, dp), scale), d, ds);
    }
  }
}

/// What to fetch while four of the products run.
template <typename P>
struct AheadOfGradients {
  Ahead<P> with_scores, with_probability_gradients, with_dv, with_dk;
};

/// A tile as the left factor of a product over its first `queries`, over its own memory.
template <typename P, typename T = SumOf<P>>
MatrixView<const P> left_factor_of(MatrixView<T> tile, Index queries) {
  const MatrixView<T> met = tile.column_block(0, queries);
  if constexpr (std::is_same_v<P, T>) {
    return met;
  } else {
    const MatrixView<P> factors(elements_over<P>(met.data), met.rows, elements_of_depth<P>(queries),
                                met.stride);
    round_along_rows(met, factors);
    return factors;
  }
}
/// A tile as the right factor of a product over its keys, over `memory` where it is rounded.
template <typename P, typename T = SumOf<P>>
MatrixView<const P> right_factor_of(MatrixView<T> tile, MatrixView<T> memory) {
  if constexpr (std::is_same_v<P, T>) {
    return tile;
  } else {
    const MatrixView<P> factors(elements_over<P>(memory.data), elements_of_depth<P>(tile.rows),
                                tile.cols, memory.stride);
    round_along_columns(tile, factors);
    return factors;
  }
}

/// Backward, one tile, the five products of Dao et al. 2022, alg. 4. Adds to dk, dv and dq_t, but
/// for the first that they meet.
template <typename P, typename T = SumOf<P>>
void attend_tile_backward(const BackwardTile<P>& queries, const KeyGradientRows<P>& keys,
                          TilePosition at, const GradientTiles<T>& tiles,
                          const AheadOfGradients<P>& ahead) {
  const auto& [p_t, ds_t] = tiles;
  multiply_blocks<P>(keys.k, queries.q_t, p_t, assign<T>(), ahead.with_scores);
  multiply_blocks<P>(keys.v, queries.d_output_t, ds_t, assign<T>(),
                     ahead.with_probability_gradients);
  if (at.hides_some_of(keys.k.rows)) hide_later_keys(p_t, at);
  differentiate_softmax(tiles, queries);
  const BlockStart<T> start = keys.first_queries ? assign<T>() : add_to<T>();
  multiply_blocks<P>(left_factor_of<P>(p_t, queries.queries), queries.d_output, keys.dv, start,
                     ahead.with_dv);
  const MatrixView<const P> ds_of_keys = right_factor_of<P>(ds_t, p_t);  // P has been used
  multiply_blocks<P>(left_factor_of<P>(ds_t, queries.queries), queries.q, keys.dk, start,
                     ahead.with_dk);
  multiply_blocks<P>(transposed(keys.k_of_keys), ds_of_keys, queries.dq_t,
                     queries.first_keys ? assign<T>() : add_to<T>());
}

}  // namespace seqbench
