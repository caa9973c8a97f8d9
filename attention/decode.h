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
// bandwidth.
#pragma once

#include <array>

#include "attention/scaled_dot_product.h"
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

/// Memory of a decode step; `Buffer` as core/buffers.h says.
template <typename Buffer>
struct DecodeWorkspace {
  Buffer keys, values;   // the cache [B, H, capacity, d_k]
  Buffer split_outputs;  // o_c [B·H, splits, d_k]
  Buffer split_max;      // m_c [B·H, splits]
  Buffer split_sum;      // l_c [B·H, splits]
  Buffer scores;         // [workers, keys of a split]

  std::array<Buffer*, 6> buffers() {
    return {&keys, &values, &split_outputs, &split_max, &split_sum, &scores};
  }
};

/// For a cache of `capacity` tokens; `shape.steps` is not looked at.
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

}  // namespace seqbench
