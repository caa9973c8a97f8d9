// What the fused kernel does with one tile: a block of queries against a block of keys.
//
// The products go through core/gemm.h, everything between two products is one pass over the tile
// while it is in cache. Which tile is computed by whom is the business of fused_attention.cc,
// fused_attention_backward.cc and decode.cc.
//
// A row of a tile is padded to whole vectors by logits of −∞, whose probability is exactly 0, so
// that masked keys, the last few keys and full rows all take the same path.
#pragma once

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "core/gemm.h"
#include "core/simd.h"
#include "core/tensor.h"

namespace seqbench {

// A float tile of 64×128 scores is 32 KiB: with the operands of its products (64 or 128 rows of
// d_k ≤ 128) it fits a 1 MiB L2 many times over, and the BLAS runs it at 80 to 95 % of peak.
inline constexpr Index kQueryTile = 64;
inline constexpr Index kKeyTile = 128;

/// Consecutive rows of a sequence.
struct RowRange {
  Index first = 0;
  Index count = 0;
  Index end() const { return first + count; }
};

template <typename T>
MatrixView<T> rows_of(MatrixView<T> matrix, RowRange range) {
  return matrix.row_block(range.first, range.count);
}

/// The part of the key tile that starts at `key` which some of `queries` see, of `steps` keys.
///
/// Forward and backward both cut their tiles by this function, so that backward recomputes a tile's
/// logits by the very product that forward took the row's maximum from. A product of another shape
/// may round otherwise, by some eps·|logit|: for logits of 10⁴ it would be off by 10⁻³ of each
/// probability.
inline RowRange visible_keys(Index key, RowRange queries, Index steps, bool causal) {
  const Index end = causal ? queries.end() : steps;
  return {key, std::min(kKeyTile, end - key)};
}

/// How many leading keys of a tile each of its queries may see.
struct Visibility {
  bool causal = false;
  Index query = 0;  // position of the tile's first query
  Index key = 0;    // position of the tile's first key

  /// For query `i` of the tile, of the tile's `keys`: key j of the tile with key + j ≤ query + i.
  Index keys_for(Index i, Index keys) const {
    return causal ? std::clamp(query + i - key + 1, Index{0}, keys) : keys;
  }
};

/// Some queries' state of the online softmax.
template <typename T>
struct QueryRows {
  MatrixView<const T> q;  // [queries, d_k]
  MatrixView<T> output;   // [queries, d_k]; Σ e^(s − m)·v over the keys seen so far
  T* row_max;             // m [queries], of the unscaled logits q·k; −∞ before the first key
  T* row_sum;             // l [queries] = Σ e^(s − m); 0 before the first key
  T scale;                // 1/√d_k, which makes logits of q·k
};

/// Some keys and their values.
template <typename T>
struct KeyRows {
  MatrixView<const T> k, v;  // [keys, d_k]
};

template <typename T>
void begin_rows(const QueryRows<T>& rows) {
  as_eigen(rows.output).setZero();
  std::fill_n(rows.row_max, rows.q.rows, -std::numeric_limits<T>::infinity());
  std::fill_n(rows.row_sum, rows.q.rows, T{0});
}

/// `n` rounded up to whole vectors.
template <typename T>
Index padded_to_vectors(Index n) {
  const auto lanes = static_cast<Index>(hn::Lanes(hn::ScalableTag<T>()));
  return (n + lanes - 1) / lanes * lanes;
}

/// logits[visible, padded) = −∞.
template <typename T>
HWY_INLINE void hide_keys(T* logits, Index visible, Index padded) {
  std::fill(logits + visible, logits + padded, -std::numeric_limits<T>::infinity());
}

/// max(start, max_j logits_j) over [0, padded).
template <typename T>
HWY_INLINE T largest(const T* logits, Index padded, T start) {
  const hn::ScalableTag<T> d;
  auto most = hn::Set(d, start);
  for (Index j = 0; j < padded; j += static_cast<Index>(hn::Lanes(d))) {
    most = hn::Max(most, hn::LoadU(d, logits + j));
  }
  return hn::GetLane(hn::MaxOfLanes(d, most));
}

/// What the exponential of a logit s takes: e^((s − max)·scale). The difference comes first: it is
/// exact near the maximum, however large the logits are.
template <typename T>
struct Exponent {
  T max;
  T scale;
};

/// logits_j ← e^((logits_j − max)·scale) over [0, padded); returns their sum.
template <typename T>
HWY_INLINE T exponentiate(T* logits, Index padded, Exponent<T> of) {
  const hn::ScalableTag<T> d;
  const auto m = hn::Set(d, of.max), factor = hn::Set(d, of.scale);
  auto sum = hn::Zero(d);
  for (Index j = 0; j < padded; j += static_cast<Index>(hn::Lanes(d))) {
    const auto p = exp(d, hn::Mul(hn::Sub(hn::LoadU(d, logits + j), m), factor));
    hn::StoreU(p, d, logits + j);
    sum = hn::Add(sum, p);
  }
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

/// x ← factor·x over [0, n).
template <typename T>
HWY_INLINE void rescale(T* x, Index n, T factor) {
  for_each_vector<T>(n, [&](auto d, Index j) {
    hn::StoreU(hn::Mul(hn::Set(d, factor), hn::LoadU(d, x + j)), d, x + j);
  });
}

/// Forward, one tile: takes the keys into the queries' softmax and output (Milakov & Gimelshein
/// 2018, alg. 3). `scores` [queries, keys] is scratch whose rows are padded to whole vectors.
template <typename T>
void attend_tile(const QueryRows<T>& rows, const KeyRows<T>& keys, MatrixView<T> scores,
                 Visibility visibility) {
  const Index count = keys.k.rows, padded = padded_to_vectors<T>(count);
  assert(scores.stride >= padded);
  gemm_serial(rows.q, keys.k, scores, {.transpose_b = true});
  for (Index i = 0; i < rows.q.rows; ++i) {
    T* s = scores.row(i);
    hide_keys(s, visibility.keys_for(i, count), padded);
    const T m = largest(s, padded, rows.row_max[i]);
    if (m > rows.row_max[i] && rows.row_sum[i] > 0) {
      const T shrink = std::exp((rows.row_max[i] - m) * rows.scale);
      rescale(rows.output.row(i), rows.output.cols, shrink);
      rows.row_sum[i] *= shrink;
    }
    rows.row_max[i] = m;
    rows.row_sum[i] += exponentiate<T>(s, padded, {.max = m, .scale = rows.scale});
  }
  gemm_serial(scores, keys.v, rows.output, {.accumulate = true});
}

/// After the last tile: O = Σ e^(s − m)·v / l.
template <typename T>
void divide_by_row_sums(const QueryRows<T>& rows) {
  for (Index i = 0; i < rows.output.rows; ++i) {
    rescale(rows.output.row(i), rows.output.cols, 1 / rows.row_sum[i]);
  }
}

/// What backward knows of some queries.
template <typename T>
struct QueryGradientRows {
  MatrixView<const T> q;         // [queries, d_k]
  MatrixView<const T> d_output;  // dO [queries, d_k]
  const T* row_max;              // m [queries], as forward left them
  const T* row_sum;              // l [queries]
  const T* row_delta;            // rowsum(dO ∘ O) [queries]
  T scale;                       // 1/√d_k
  MatrixView<T> dq;              // [queries, d_k]
};

/// What backward knows of some keys.
template <typename T>
struct KeyGradientRows {
  MatrixView<const T> k, v;  // [keys, d_k]
  MatrixView<T> dk, dv;      // [keys, d_k]
};

/// Two [queries, keys] scratch matrices whose rows are padded to whole vectors.
template <typename T>
struct GradientTiles {
  MatrixView<T> probabilities;    // logits q·k, then P
  MatrixView<T> score_gradients;  // dP, then dS/√d_k
};

/// One query's row of the two tiles.
template <typename T>
struct GradientRow {
  T* p;          // [padded] in: logits q·k; out: P
  T* ds;         // [padded] in: dP; out: dS/√d_k
  Index padded;  // keys, in whole vectors
  T max;         // m
  T sum;         // l
  T delta;       // rowsum(dO ∘ O)
  T scale;       // 1/√d_k
};

/// p ← e^((p − max)·scale)/sum, then ds ← p·(ds − delta)·scale.
template <typename T>
HWY_INLINE void softmax_backward_row(const GradientRow<T>& row) {
  const hn::ScalableTag<T> d;
  const auto max = hn::Set(d, row.max), inverse_sum = hn::Set(d, 1 / row.sum);
  const auto delta = hn::Set(d, row.delta), scale = hn::Set(d, row.scale);
  T *const p = row.p, *const ds = row.ds;
  const Index padded = row.padded;
  for (Index j = 0; j < padded; j += static_cast<Index>(hn::Lanes(d))) {
    const auto logit = hn::Mul(hn::Sub(hn::LoadU(d, p + j), max), scale);
    const auto probability = hn::Mul(exp(d, logit), inverse_sum);
    const auto dp = hn::Sub(hn::LoadU(d, ds + j), delta);
    hn::StoreU(probability, d, p + j);
    hn::StoreU(hn::Mul(hn::Mul(probability, dp), scale), d, ds + j);
  }
}

/// Backward, one tile, the five products of Dao et al. 2022, alg. 4. Adds to dq, dk and dv.
template <typename T>
void attend_tile_backward(const QueryGradientRows<T>& queries, const KeyGradientRows<T>& keys,
                          const GradientTiles<T>& tiles, Visibility visibility) {
  const Index padded = padded_to_vectors<T>(keys.k.rows);
  const auto P = tiles.probabilities, dS = tiles.score_gradients;
  assert(P.stride >= padded && dS.stride >= padded);
  gemm_serial(queries.q, keys.k, P, {.transpose_b = true});
  gemm_serial(queries.d_output, keys.v, dS, {.transpose_b = true});
  for (Index i = 0; i < queries.q.rows; ++i) {
    hide_keys(P.row(i), visibility.keys_for(i, keys.k.rows), padded);
    softmax_backward_row<T>({.p = P.row(i),
                             .ds = dS.row(i),
                             .padded = padded,
                             .max = queries.row_max[i],
                             .sum = queries.row_sum[i],
                             .delta = queries.row_delta[i],
                             .scale = queries.scale});
  }
  gemm_serial(P, queries.d_output, keys.dv, {.transpose_a = true, .accumulate = true});
  gemm_serial(dS, queries.q, keys.dk, {.transpose_a = true, .accumulate = true});
  gemm_serial(dS, keys.k, queries.dq, {.accumulate = true});
}

}  // namespace seqbench
