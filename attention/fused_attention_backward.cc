// Backward of the fused kernel: three passes, each over disjoint outputs.
//
//   1. every query tile: rowsum(dO ∘ O), and Qᵀ and dOᵀ for pass 2
//   2. a task per head and chunk of keys: dK and dV of the chunk, and the chunk's share of dQᵀ
//   3. dQ: the chunks' shares added up in their order
#include "attention/fused_tile.h"
#include "attention/fused_workspace.h"
#include "attention/scaled_dot_product.h"

namespace seqbench {
namespace {

/// delta [T] = rowsum(dO ∘ O).
template <typename T>
void row_deltas(MatrixView<const T> d_output, MatrixView<const T> output, T* delta) {
  for (Index i = 0; i < output.rows; ++i) {
    delta[i] = as_eigen(d_output).row(i).dot(as_eigen(output).row(i));
  }
}

/// What pass 2 reads of one head.
template <typename T>
struct HeadTensors {
  MatrixView<const T> q, k, v, d_output;   // [T, d_k]
  const T *row_max, *row_sum, *row_delta;  // [T, padded to whole query tiles]
  const T* query_tiles;                    // Qᵀ and dOᵀ of every query tile
  bool causal;

  /// The queries from `first` on, before they have met any keys.
  BackwardTile<T> tile(Index first, MatrixView<T> dq_t) const {
    const Index d_k = q.cols, tile_elements = d_k * kQueryTile<T>;
    const RowRange queries{first, std::min(kQueryTile<T>, q.rows - first)};
    const T* const q_t = query_tiles + first / kQueryTile<T> * 2 * tile_elements;
    return {.q = rows_of(q, queries),
            .d_output = rows_of(d_output, queries),
            .q_t = {q_t, d_k, kQueryTile<T>},
            .d_output_t = {q_t + tile_elements, d_k, kQueryTile<T>},
            .row_max = row_max + first,
            .row_sum = row_sum + first,
            .row_delta = row_delta + first,
            .dq_t = dq_t,
            .first_keys = true};
  }
};

/// The first query of the first tile with one that sees `key`.
template <typename T>
Index first_query_of(Index key, bool causal) {
  return causal ? key / kQueryTile<T> * kQueryTile<T> : 0;
}

/// One task of pass 2: the keys of `chunk` against every query that sees them.
template <typename T>
struct ChunkTask {
  HeadTensors<T> head;
  MatrixView<T> dk, dv;  // [T, d_k]
  T* dq_t;               // this chunk's share, a tile [d_k, kQueryTile] after the other
  RowRange chunk;
};

template <typename T>
void attend_chunk(const ChunkTask<T>& task, const GradientTiles<T>& scratch) {
  const HeadTensors<T>& head = task.head;
  const Index steps = head.q.rows, d_k = head.q.cols;
  as_eigen(rows_of(task.dk, task.chunk)).setZero();
  as_eigen(rows_of(task.dv, task.chunk)).setZero();
  for (Index query = first_query_of<T>(task.chunk.first, head.causal); query < steps;
       query += kQueryTile<T>) {
    const MatrixView<T> dq_t(task.dq_t + query * d_k, d_k, kQueryTile<T>);
    BackwardTile<T> queries = head.tile(query, dq_t);
    const Index next_query = std::min(query + kQueryTile<T>, steps);
    const BackwardTile<T> next = head.tile(next_query, dq_t);
    const Index keys_end =
        head.causal ? std::min(task.chunk.end(), query + queries.q.rows) : task.chunk.end();
    for (Index key = task.chunk.first; key < keys_end; key += kKeyTile) {
      const RowRange keys{key, std::min(kKeyTile, keys_end - key)};
      const Index part = (key - task.chunk.first) / kKeyTile;
      const Index parts = parts_in(keys_end - task.chunk.first, kKeyTile);
      for (const auto& rows : {next.q, next.d_output}) prefetch_part(rows, part, parts);
      if (next_query < steps) {
        for (const auto& rows : {next.q_t, next.d_output_t}) prefetch_part(rows, part, parts);
      }
      attend_tile_backward<T>(queries,
                              {.k = rows_of(head.k, keys),
                               .v = rows_of(head.v, keys),
                               .dk = rows_of(task.dk, keys),
                               .dv = rows_of(task.dv, keys)},
                              {.causal = head.causal, .query = query, .key = key},
                              {.p_t = scratch.p_t.row_block(0, keys.count),
                               .ds_t = scratch.ds_t.row_block(0, keys.count)});
      queries.first_keys = false;
    }
  }
}

/// One query tile of pass 3.
template <typename T>
struct QueryGradientSum {
  const T* shares;    // dQᵀ [d_k, kQueryTile] of the tile from the first chunk
  Index stride;       // from one chunk's share to the next's
  Index chunks;       // that the tile sees
  MatrixView<T> sum;  // scratch [d_k, kQueryTile]
  MatrixView<T> dq;   // [queries, d_k], assigned
};

template <typename T>
void fold_query_gradients(const QueryGradientSum<T>& of) {
  const auto share = [&](Index chunk) {
    return as_eigen(MatrixView<const T>(of.shares + chunk * of.stride, of.sum.rows, of.sum.cols));
  };
  as_eigen(of.sum) = share(0);
  for (Index chunk = 1; chunk < of.chunks; ++chunk) as_eigen(of.sum) += share(chunk);
  transpose<T>(of.sum.column_block(0, of.dq.rows), of.dq);
}

}  // namespace

template <typename T>
void fused_backward(const ThreadTeam& team, const AttentionProblem<T>& problem,
                    const AttentionGradients<T>& gradients,
                    AttentionWorkspace<Tensor<T>>& workspace) {
  const auto& shape = problem.shape;
  const Index heads = shape.batch * shape.heads, d_k = shape.head_width;
  const Index tiles = parts_in(shape.steps, kQueryTile<T>);
  const Index padded_steps = padded_to_tiles<T>(shape.steps);
  const Index chunk_keys = workspace.chunk_keys, chunks = parts_in(shape.steps, chunk_keys);
  const auto of_head = [&](auto tensor, Index head) {
    return head_of(tensor, shape, head / shape.heads, head % shape.heads);
  };
  const auto tile_queries = [&](Index tile) -> RowRange {
    const Index first = tile * kQueryTile<T>;
    return {first, std::min(kQueryTile<T>, shape.steps - first)};
  };
  T* const row_delta = workspace.row_delta.data();
  T* const query_tiles = workspace.query_tiles.data();
  T* const query_gradients = workspace.query_gradients.data();

  team.for_each_task(heads * tiles, [&](Index task, int) {
    const Index head = task / tiles, tile = task % tiles;
    const RowRange queries = tile_queries(tile);
    const auto d_output = rows_of(of_head(gradients.d_output, head), queries);
    row_deltas<T>(d_output,
                  rows_of(of_head(BlockedMatrixView<const T>(problem.output), head), queries),
                  row_delta + head * padded_steps + queries.first);
    T* const q_t = query_tiles + task * 2 * d_k * kQueryTile<T>;
    transpose_queries<T>(rows_of(of_head(problem.q, head), queries), {q_t, d_k, kQueryTile<T>});
    transpose_queries<T>(d_output, {q_t + d_k * kQueryTile<T>, d_k, kQueryTile<T>});
  });

  // Chunk by chunk over all heads: in a causal problem the first keys are seen by the most queries,
  // so that the run ends with short tasks.
  team.for_each_task(heads * chunks, [&](Index task, int worker) {
    const Index head = task % heads, chunk = task / heads, first = chunk * chunk_keys;
    attend_chunk<T>({.head = {.q = of_head(problem.q, head),
                              .k = of_head(problem.k, head),
                              .v = of_head(problem.v, head),
                              .d_output = of_head(gradients.d_output, head),
                              .row_max = workspace.row_max.data() + head * padded_steps,
                              .row_sum = workspace.row_sum.data() + head * padded_steps,
                              .row_delta = row_delta + head * padded_steps,
                              .query_tiles = query_tiles + head * 2 * padded_steps * d_k,
                              .causal = shape.causal},
                     .dk = of_head(gradients.dk, head),
                     .dv = of_head(gradients.dv, head),
                     .dq_t = query_gradients + (head * chunks + chunk) * padded_steps * d_k,
                     .chunk = {first, std::min(chunk_keys, shape.steps - first)}},
                    gradient_tiles(workspace, worker, kKeyTile));
  });

  team.for_each_task(heads * tiles, [&](Index task, int worker) {
    const Index head = task / tiles, tile = task % tiles;
    const RowRange queries = tile_queries(tile);
    const Index seen = shape.causal ? parts_in(queries.end(), chunk_keys) : chunks;
    fold_query_gradients<T>(
        {.shares = query_gradients + head * chunks * padded_steps * d_k + queries.first * d_k,
         .stride = padded_steps * d_k,
         .chunks = seen,
         .sum = forward_scratch(workspace, worker).query_tile(0, d_k),
         .dq = rows_of(of_head(gradients.dq, head), queries)});
  });
}

#define SEQBENCH_INSTANTIATE(T)                                                  \
  template void fused_backward<T>(const ThreadTeam&, const AttentionProblem<T>&, \
                                  const AttentionGradients<T>&, AttentionWorkspace<Tensor<T>>&);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
