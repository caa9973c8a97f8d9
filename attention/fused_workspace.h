// The fused kernel's memory, and how it cuts a problem into tasks. Both follow from the shape
// alone.
#pragma once

#include <algorithm>

#include "attention/fused_tile.h"
#include "attention/scaled_dot_product.h"

namespace seqbench {

/// Steps in whole query tiles: the length of row_max and row_sum.
template <typename T>
Index padded_to_tiles(Index steps) {
  return parts_in(steps, kQueryTile<T>) * kQueryTile<T>;
}

// Forward: query tiles that share a pass over the keys. Eight use each key tile eight times while
// it is in the L2 cache, which brings its traffic from farther away to 1 byte per 64 FLOPs at d_k =
// 64; fewer where there would not be enough tasks to keep 16 workers busy to the end.
inline constexpr Index kForwardTaskTiles = 8;
inline constexpr Index kForwardTasks = 32;

/// For so many queries of each of B·H heads.
template <typename T>
Index forward_task_tiles(Index heads, Index queries) {
  const Index tiles = heads * parts_in(queries, kQueryTile<T>);
  return std::clamp<Index>(tiles / kForwardTasks, 1, kForwardTaskTiles);
}

/// One worker's scratch in forward.
template <typename T>
struct ForwardScratch {
  T* data;

  static Index elements(Index head_width) {
    return kKeyTile * kQueryTile<T> + 2 * kForwardTaskTiles * head_width * kQueryTile<T>;
  }
  MatrixView<T> scores(Index keys, Index queries) const { return {data, keys, queries}; }
  /// Qᵀ in elements of P.
  template <typename P>
  MatrixView<P> query_tile(Index tile, Index head_width) const {
    return {elements_over<P>(rows(2 * tile, head_width)), elements_of_depth<P>(head_width),
            kQueryTile<T>};
  }
  MatrixView<T> output_tile(Index tile, Index head_width) const {
    return {rows(2 * tile + 1, head_width), head_width, kQueryTile<T>};
  }

 private:
  T* rows(Index i, Index head_width) const {
    return data + (kKeyTile + i * head_width) * kQueryTile<T>;
  }
};

template <typename T>
ForwardScratch<T> forward_scratch(AttentionWorkspace<Tensor<T>>& workspace, int worker) {
  return {workspace.tile_scratch.data() + worker * workspace.tile_scratch.shape()[1]};
}

/// The pairs that a workspace for factors in bfloat16 holds: of two tensors of neighbours of d_k
/// [T, ⌈d_k/2⌉] a head, of one of neighbouring steps [⌈T/2⌉, d_k].
class RoundedHeads {
 public:
  RoundedHeads(const AttentionShape& shape, AttentionWorkspace<Tensor<float>>& workspace)
      : shape_(shape), workspace_(workspace) {}

  /// What becomes of which tensor.
  struct Sources {
    BlockedMatrixView<const float> first, second, of_depth;
  };
  void round(const ThreadTeam& team, const Sources& from) const;

  MatrixView<Bfloat16Pair> first(Index head) const {
    return of_width(workspace_.rounded_queries, head);
  }
  MatrixView<Bfloat16Pair> second(Index head) const {
    return of_width(workspace_.rounded_keys, head);
  }
  MatrixView<Bfloat16Pair> of_depth(Index head) const {
    return view(workspace_.rounded_values, head, elements_of_depth<Bfloat16Pair>(shape_.steps),
                shape_.head_width);
  }

 private:
  static MatrixView<Bfloat16Pair> view(Tensor<float>& buffer, Index head, Index rows, Index cols) {
    return {elements_over<Bfloat16Pair>(buffer.data()) + head * rows * cols, rows, cols};
  }
  MatrixView<Bfloat16Pair> of_width(Tensor<float>& buffer, Index head) const {
    return view(buffer, head, shape_.steps, elements_of_depth<Bfloat16Pair>(shape_.head_width));
  }

  const AttentionShape& shape_;
  AttentionWorkspace<Tensor<float>>& workspace_;
};

// Backward should have at least this many tasks: enough for 16 workers to end within a task or two
// of each other. Where a head has several chunks, each costs a dQ of [T, d_k], so that all of them
// together stay below 2·kBackwardTasks·T·d_k elements.
inline constexpr Index kBackwardTasks = 16;

/// Keys in one chunk: whole key tiles, as many chunks as bring B·H·chunks to kBackwardTasks.
inline Index chunk_keys_for(const AttentionShape& shape) {
  const Index tiles = parts_in(shape.steps, kKeyTile);
  const Index chunks = std::min(tiles, parts_in(kBackwardTasks, shape.batch * shape.heads));
  return parts_in(tiles, chunks) * kKeyTile;
}

/// One worker's scratch in backward.
template <typename T>
struct BackwardScratch {
  T* data;

  static Index elements(Index head_width, Factors factors = Factors::kAsTheyAre) {
    const Index matrices = factors == Factors::kBfloat16 ? 4 : 3;
    return (2 * kKeyTile + matrices * head_width + 1) * kQueryTile<T>;
  }
  GradientTiles<T> gradient_tiles(Index keys) const {
    return {.p_t = {data, keys, kQueryTile<T>}, .ds_t = {row(kKeyTile), keys, kQueryTile<T>}};
  }
  T* row_delta() const { return row(2 * kKeyTile); }
  /// Qᵀ and dOᵀ with d_k in elements of P.
  template <typename P>
  MatrixView<P> q_t(Index head_width) const {
    return factors_of<P>(query_tile(0, head_width));
  }
  template <typename P>
  MatrixView<P> d_output_t(Index head_width) const {
    return factors_of<P>(query_tile(1, head_width));
  }
  /// Q and dO in pairs of neighbouring queries: of factors in bfloat16 alone.
  MatrixView<Bfloat16Pair> q_pairs(Index head_width) const { return query_pairs(0, head_width); }
  MatrixView<Bfloat16Pair> d_output_pairs(Index head_width) const {
    return query_pairs(1, head_width);
  }
  MatrixView<T> dq_t(Index head_width) const { return query_tile(2, head_width); }

 private:
  template <typename P>
  static MatrixView<P> factors_of(MatrixView<T> tile) {
    return {elements_over<P>(tile.data), elements_of_depth<P>(tile.rows), tile.cols};
  }
  /// The last matrix holds two with half as many rows.
  MatrixView<Bfloat16Pair> query_pairs(Index i, Index head_width) const {
    constexpr Index kPairs = elements_of_depth<Bfloat16Pair>(kQueryTile<T>);
    Bfloat16Pair* const first = elements_over<Bfloat16Pair>(query_tile(3, head_width).data);
    return {first + i * kPairs * head_width, kPairs, head_width};
  }
  T* row(Index i) const { return data + i * kQueryTile<T>; }
  MatrixView<T> query_tile(Index i, Index head_width) const {
    return {row(2 * kKeyTile + 1 + i * head_width), head_width, kQueryTile<T>};
  }
};

template <typename T>
BackwardScratch<T> backward_scratch(AttentionWorkspace<Tensor<T>>& workspace, int worker) {
  return {workspace.tile_scratch.data() + worker * workspace.tile_scratch.shape()[1]};
}

}  // namespace seqbench
