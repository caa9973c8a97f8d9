// One new token against the keys and values of all earlier ones, which a cache keeps.
//
//   s_j = q·k_j/√d_k     p = softmax(s)     o = Σ_j p_j·v_j        for each sequence and head
//
// (Vaswani et al. 2017, eq. 1, with a single query.) The cache of a head is cut into splits that
// several workers read at once; each leaves its maximum m_c, sum l_c and output o_c, which merge as
// in the online softmax (Milakov & Gimelshein 2018, sec. 3.1; Dao et al. 2023, "Flash-Decoding"):
//
//   m = max_c m_c     w_c = e^(m_c − m)     o = Σ_c w_c·o_c / Σ_c w_c·l_c
//
// Cost with n cached tokens: 4·B·H·n·d_k FLOPs, and 2·B·H·n·d_k elements read once: bound by memory
// bandwidth. A cache in bfloat16 has half of the bytes; q and p are rounded too, sums and softmax
// are float.
#pragma once

#include <array>

#include "attention/scaled_dot_product.h"
#include "core/bfloat16.h"
#include "core/parts.h"
#include "core/tensor.h"
#include "core/thread_team.h"

namespace seqbench {

/// Keys and values [B, H, capacity, d_k] each. A head's keys are contiguous, so that decode streams
/// them. Owns nothing.
template <typename T>
struct KeyValueCache {
  T* keys = nullptr;
  T* values = nullptr;
  Index heads = 1;       // H
  Index capacity = 0;    // tokens
  Index head_width = 1;  // d_k

  /// Tokens [first, first + count) of sequence b, head h: [count, d_k].
  MatrixView<T> keys_of(Index b, Index h, Index first, Index count) const {
    return tokens(keys, b, h, first, count);
  }
  MatrixView<T> values_of(Index b, Index h, Index first, Index count) const {
    return tokens(values, b, h, first, count);
  }

 private:
  MatrixView<T> tokens(T* base, Index b, Index h, Index first, Index count) const {
    assert(first >= 0 && first + count <= capacity);
    return {base + ((b * heads + h) * capacity + first) * head_width, count, head_width};
  }
};

/// The same rounded, as the two products of a decode step read it. Keys are the transpose in pairs
/// of neighbours of d_k, a panel of kPanelKeys tokens behind the other [B, H, panels, ⌈d_k/2⌉,
/// kPanelKeys]; values are pairs of neighbouring tokens [B, H, ⌈capacity/2⌉, d_k], of which the
/// last token's second is 0 where their number is odd.
struct RoundedKeyValueCache {
  static constexpr Index kPanelKeys = 256;  // 16 vectors of AVX-512: a single row's register block

  Bfloat16Pair* keys = nullptr;
  Bfloat16Pair* values = nullptr;
  Index heads = 1;       // H
  Index capacity = 0;    // tokens
  Index head_width = 1;  // d_k

  Index panels() const { return parts_in(capacity, kPanelKeys); }
  /// Keys [panel·kPanelKeys, …) of sequence b, head h: [⌈d_k/2⌉, kPanelKeys].
  MatrixView<Bfloat16Pair> key_panel(Index b, Index h, Index panel) const {
    const Index depth = elements_of_depth<Bfloat16Pair>(head_width);
    return {keys + ((b * heads + h) * panels() + panel) * depth * kPanelKeys, depth, kPanelKeys};
  }
  /// Values of tokens [2·first, 2·(first + count)): [count, d_k].
  MatrixView<Bfloat16Pair> value_pairs(Index b, Index h, Index first, Index count) const {
    const Index pairs = elements_of_depth<Bfloat16Pair>(capacity);
    assert(first >= 0 && first + count <= pairs);
    return {values + ((b * heads + h) * pairs + first) * head_width, count, head_width};
  }
};

/// Memory of a decode step; `Buffer` as core/buffers.h says.
template <typename Buffer>
struct DecodeWorkspace {
  Buffer keys, values;   // the cache [B, H, capacity, d_k], or as RoundedKeyValueCache says
  Buffer split_outputs;  // o_c [B·H, splits, d_k]
  Buffer split_max;      // m_c [B·H, splits]
  Buffer split_sum;      // l_c [B·H, splits]
  Buffer scores;         // [workers, keys of a split]
  Buffer rounded;  // a rounded cache: q and p as factors [workers, ⌈d_k/2⌉ + half of those]

  std::array<Buffer*, 7> buffers() {
    return {&keys, &values, &split_outputs, &split_max, &split_sum, &scores, &rounded};
  }
};

/// For a cache of `capacity` tokens, rounded where the shape's factors are; `shape.steps` is not
/// looked at.
DecodeWorkspace<BufferShape> decode_workspace(const AttentionShape& shape, Index capacity,
                                              int workers);

/// Copies T tokens of k and v [B·T, H·d_k], a block of columns for each head, to positions [first,
/// first + T) of the cache.
template <typename T>
struct CacheAppend {
  AttentionShape shape;
  BlockedMatrixView<const T> k, v;
  Index first = 0;
};
template <typename T>
void append_to_cache(const ThreadTeam& team, const KeyValueCache<T>& cache,
                     const CacheAppend<T>& tokens);
void append_to_cache(const ThreadTeam& team, const RoundedKeyValueCache& cache,
                     const CacheAppend<float>& tokens);

/// One query a sequence against the cache's first `context` ≥ 1 tokens, its own included.
template <typename T>
struct DecodeProblem {
  Index batch = 1;
  Index context = 1;
  BlockedMatrixView<const T> q;  // [B, H·d_k], a block of columns for each head
  BlockedMatrixView<T> output;   // likewise, assigned
};
template <typename T>
void decode_attention(const ThreadTeam& team, const KeyValueCache<T>& cache,
                      const DecodeProblem<T>& problem, DecodeWorkspace<Tensor<T>>& workspace);
void decode_attention(const ThreadTeam& team, const RoundedKeyValueCache& cache,
                      const DecodeProblem<float>& problem,
                      DecodeWorkspace<Tensor<float>>& workspace);

}  // namespace seqbench
