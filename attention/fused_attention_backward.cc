// Backward of the fused kernel: three passes, each over disjoint outputs.
//
//   1. rowsum(dO ∘ O) of every query
//   2. a task per head and chunk of keys: dK and dV of the chunk, and the chunk's share of dQ
//   3. dQ: the chunks' shares added up in their order (with a single chunk, 2 has written it)
#include "attention/fused_chunks.h"
#include "attention/fused_tile.h"
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

/// One task of pass 2: the keys of `chunk` against every query that sees them.
template <typename T>
struct ChunkTask {
  MatrixView<const T> q, k, v, d_output;  // [T, d_k]
  const T* row_max;                       // [T]
  const T* row_sum;                       // [T]
  const T* row_delta;                     // [T]
  MatrixView<T> dq;                       // [T, d_k]: this chunk's share
  MatrixView<T> dk, dv;                   // [T, d_k]
  RowRange chunk;
  bool causal;
};

/// The first query whose tile holds one that sees `key`.
Index first_query_of(Index key, bool causal) { return causal ? key / kQueryTile * kQueryTile : 0; }

template <typename T>
void attend_chunk(const ChunkTask<T>& task, const GradientTiles<T>& scratch) {
  const Index steps = task.q.rows, first_query = first_query_of(task.chunk.first, task.causal);
  const T scale = logit_scale<T>(task.q.cols);
  as_eigen(rows_of(task.dq, {first_query, steps - first_query})).setZero();
  as_eigen(rows_of(task.dk, task.chunk)).setZero();
  as_eigen(rows_of(task.dv, task.chunk)).setZero();
  for (Index key = task.chunk.first; key < task.chunk.end(); key += kKeyTile) {
    for (Index query = first_query_of(key, task.causal); query < steps; query += kQueryTile) {
      const RowRange queries{query, std::min(kQueryTile, steps - query)};
      const RowRange keys = visible_keys(key, queries, steps, task.causal);
      const auto tile = [&](MatrixView<T> matrix) {
        return matrix.row_block(0, queries.count).column_block(0, keys.count);
      };
      attend_tile_backward<T>({.q = rows_of(task.q, queries),
                               .d_output = rows_of(task.d_output, queries),
                               .row_max = task.row_max + query,
                               .row_sum = task.row_sum + query,
                               .row_delta = task.row_delta + query,
                               .scale = scale,
                               .dq = rows_of(task.dq, queries)},
                              {.k = rows_of(task.k, keys),
                               .v = rows_of(task.v, keys),
                               .dk = rows_of(task.dk, keys),
                               .dv = rows_of(task.dv, keys)},
                              {.probabilities = tile(scratch.probabilities),
                               .score_gradients = tile(scratch.score_gradients)},
                              {.causal = task.causal, .query = query, .key = key});
    }
  }
}

}  // namespace

template <typename T>
void fused_backward(const ThreadTeam& team, const AttentionProblem<T>& problem,
                    const AttentionGradients<T>& gradients,
                    AttentionWorkspace<Tensor<T>>& workspace) {
  const auto& shape = problem.shape;
  const Index heads = shape.batch * shape.heads;
  const Index chunk_keys = workspace.chunk_keys;
  const Index chunks = tiles_in(shape.steps, chunk_keys);
  const auto of_head = [&](auto tensor, Index head) {
    return head_of(tensor, shape, head / shape.heads, head % shape.heads);
  };
  const auto dq_share = [&](Index head, Index chunk) -> MatrixView<T> {
    if (chunks == 1) return of_head(gradients.dq, head);
    const Index matrix = head * chunks + chunk;
    return {workspace.query_gradients.data() + matrix * shape.steps * shape.head_width, shape.steps,
            shape.head_width};
  };

  team.for_each_task(heads, [&](Index head, int) {
    row_deltas<T>(of_head(gradients.d_output, head), of_head(problem.output, head),
                  workspace.row_delta.data() + head * shape.steps);
  });

  // Chunk by chunk over all heads: in a causal problem the first keys are seen by the most queries,
  // so that the run ends with short tasks.
  team.for_each_task(heads * chunks, [&](Index task, int worker) {
    const Index head = task % heads, chunk = task / heads, first = chunk * chunk_keys;
    T* scratch = workspace.score_tiles.data() + worker * 2 * kQueryTile * kKeyTile;
    attend_chunk<T>({.q = of_head(problem.q, head),
                     .k = of_head(problem.k, head),
                     .v = of_head(problem.v, head),
                     .d_output = of_head(gradients.d_output, head),
                     .row_max = workspace.row_max.data() + head * shape.steps,
                     .row_sum = workspace.row_sum.data() + head * shape.steps,
                     .row_delta = workspace.row_delta.data() + head * shape.steps,
                     .dq = dq_share(head, chunk),
                     .dk = of_head(gradients.dk, head),
                     .dv = of_head(gradients.dv, head),
                     .chunk = {first, std::min(chunk_keys, shape.steps - first)},
                     .causal = shape.causal},
                    {.probabilities = {scratch, kQueryTile, kKeyTile},
                     .score_gradients = {scratch + kQueryTile * kKeyTile, kQueryTile, kKeyTile}});
  });

  if (chunks == 1) return;
  const Index tiles = tiles_in(shape.steps, kQueryTile);
  team.for_each_task(heads * tiles, [&](Index task, int) {
    const Index head = task / tiles, first = task % tiles * kQueryTile;
    const RowRange queries{first, std::min(kQueryTile, shape.steps - first)};
    auto dq = as_eigen(rows_of(of_head(gradients.dq, head), queries));
    dq = as_eigen(rows_of(dq_share(head, 0), queries));
    for (Index chunk = 1; chunk < chunks; ++chunk) {
      if (first_query_of(chunk * chunk_keys, shape.causal) > first) break;  // sees no later chunk
      dq += as_eigen(rows_of(dq_share(head, chunk), queries));
    }
  });
}

#define SEQBENCH_INSTANTIATE(T)                                                  \
  template void fused_backward<T>(const ThreadTeam&, const AttentionProblem<T>&, \
                                  const AttentionGradients<T>&, AttentionWorkspace<Tensor<T>>&);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
