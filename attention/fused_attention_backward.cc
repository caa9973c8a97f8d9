// Backward of the fused kernel: a task per head and chunk of keys gets dK and dV of the chunk and
// its share of dQᵀ. Where a head has several chunks, a second pass adds the shares up in the order
// of the chunks.
#include <utility>

#include "attention/fused_tile.h"
#include "attention/fused_workspace.h"
#include "attention/scaled_dot_product.h"
#include "core/eigen_view.h"

namespace seqbench {
namespace {

/// delta [kQueryTile] = rowsum(dO ∘ O), and 0 behind the last row.
template <typename T>
void row_deltas(MatrixView<const T> d_output, MatrixView<const T> output, T* delta) {
  for (Index i = 0; i < output.rows; ++i) {
    delta[i] = as_eigen(d_output).row(i).dot(as_eigen(output).row(i));
  }
  std::fill(delta + output.rows, delta + kQueryTile<T>, T{0});
}

/// What a task reads of its head.
template <typename T>
struct HeadTensors {
  MatrixView<const T> q, k, v, output, d_output;  // [T, d_k]
  const T *row_max, *row_sum;                     // [T, padded to whole query tiles]
  bool causal;

  RowRange tile(Index first) const { return {first, std::min(kQueryTile<T>, q.rows - first)}; }

  /// Some queries before they have met any keys.
  BackwardTile<T> begin_tile(RowRange queries, const BackwardScratch<T>& scratch,
                             MatrixView<T> dq_t) const {
    const Index d_k = q.cols;
    const BackwardTile<T> tile{.q = rows_of(q, queries),
                               .d_output = rows_of(d_output, queries),
                               .q_t = scratch.q_t(d_k),
                               .d_output_t = scratch.d_output_t(d_k),
                               .row_max = row_max + queries.first,
                               .row_sum = row_sum + queries.first,
                               .row_delta = scratch.row_delta(),
                               .dq_t = dq_t,
                               .first_keys = !causal};
    if (causal) as_eigen(dq_t).setZero();  // the first keys may be seen by the later queries alone
    transpose_queries<T>(tile.q, scratch.q_t(d_k));
    transpose_queries<T>(tile.d_output, scratch.d_output_t(d_k));
    row_deltas<T>(tile.d_output, rows_of(output, queries), scratch.row_delta());
    return tile;
  }
};

/// The keys of `chunk` against every query that sees them.
template <typename T>
struct ChunkTask {
  HeadTensors<T> head;
  MatrixView<T> dk, dv;  // [T, d_k]
  MatrixView<T> dq;      // [T, d_k], where the chunk has all keys
  T* dq_t_share;         // else this chunk's share, a tile [d_k, kQueryTile] after the other
  RowRange chunk;

  bool has_all_keys() const { return dq_t_share == nullptr; }
  /// The first query of the first tile with one that sees the chunk.
  Index first_query() const {
    return head.causal ? chunk.first / kQueryTile<T> * kQueryTile<T> : 0;
  }
};

/// What is fetched while a tile of queries meets the keys, a part with each tile of them: the next
/// queries, or, with the last ones, what the next task starts with.
template <typename T>
struct FetchedAhead {
  const HeadTensors<T>& head;
  RowRange queries;
  RowRange keys;  // none, but for the next task

  AheadOfGradients<T> part(Index i, Index parts) const {
    return {.with_scores = part_of(rows_of(head.q, queries), i, parts),
            .with_probability_gradients = part_of(rows_of(head.d_output, queries), i, parts),
            .with_dv = part_of(rows_of(head.k, keys), i, parts),
            .with_dk = part_of(rows_of(head.v, keys), i, parts)};
  }
};

template <typename T>
void attend_chunk(const ChunkTask<T>& task, const ChunkTask<T>& next_task,
                  const BackwardScratch<T>& scratch) {
  const HeadTensors<T>& head = task.head;
  const Index steps = head.q.rows, d_k = head.q.cols;
  if (head.causal) {  // the first queries that see some of a tile's keys do not see all
    as_eigen(rows_of(task.dk, task.chunk)).setZero();
    as_eigen(rows_of(task.dv, task.chunk)).setZero();
  }
  for (Index query = task.first_query(); query < steps; query += kQueryTile<T>) {
    const MatrixView<T> dq_t =
        task.has_all_keys() ? scratch.dq_t(d_k)
                            : MatrixView<T>(task.dq_t_share + query * d_k, d_k, kQueryTile<T>);
    BackwardTile<T> queries = head.begin_tile(head.tile(query), scratch, dq_t);
    const bool last = query + kQueryTile<T> >= steps;
    const FetchedAhead<T> ahead =
        last ? FetchedAhead<T>{next_task.head, next_task.head.tile(next_task.first_query()),
                               next_task.chunk}
             : FetchedAhead<T>{head, head.tile(query + kQueryTile<T>), {}};
    const RowRange rows = head.tile(query);
    const Index keys_end = head.causal ? std::min(task.chunk.end(), rows.end()) : task.chunk.end();
    for (Index key = task.chunk.first; key < keys_end; key += kKeyTile) {
      const RowRange keys{key, std::min(kKeyTile, keys_end - key)};
      const Index part = (key - task.chunk.first) / kKeyTile;
      const Index parts = parts_in(keys_end - task.chunk.first, kKeyTile);
      prefetch_part(rows_of(ahead.head.output, ahead.queries), part, parts);
      AheadOfGradients<T> fetched = ahead.part(part, parts);
      for (const auto& [first, met] : shares_of<T>(rows, keys, head.causal)) {
        if (met.count == 0) continue;
        attend_tile_backward<T>(queries.from(first),
                                {.k = rows_of(head.k, met),
                                 .v = rows_of(head.v, met),
                                 .dk = rows_of(task.dk, met),
                                 .dv = rows_of(task.dv, met),
                                 .first_queries = !head.causal && query == 0},
                                {.causal = head.causal, .query = query + first, .key = met.first},
                                scratch.gradient_tiles(met.count).from(first),
                                std::exchange(fetched, {}));
        queries.first_keys = false;
      }
    }
    if (task.has_all_keys()) {
      const MatrixView<T> dq = rows_of(task.dq, head.tile(query));
      transpose<T>(dq_t.column_block(0, dq.rows), dq);
    }
  }
}

/// One query tile's dQ from the shares of several chunks.
template <typename T>
struct QueryGradientSum {
  const T* shares;    // dQᵀ [d_k, kQueryTile] of the tile from the first chunk
  Index stride;       // from one chunk's share to the next's
  Index chunks;       // that the tile sees
  MatrixView<T> sum;  // scratch [d_k, kQueryTile]
  MatrixView<T> dq;   // [queries, d_k], assigned
};

template <typename T>
void fold_query_gradients(const QueryGradientSum<T>& partial) {
  const auto share = [&](Index chunk) {
    return as_eigen(MatrixView<const T>(partial.shares + chunk * partial.stride, partial.sum.rows,
                                        partial.sum.cols));
  };
  as_eigen(partial.sum) = share(0);
  for (Index chunk = 1; chunk < partial.chunks; ++chunk) as_eigen(partial.sum) += share(chunk);
  transpose<T>(partial.sum.column_block(0, partial.dq.rows), partial.dq);
}

}  // namespace

template <typename T>
void fused_backward(const ThreadTeam& team, const AttentionProblem<T>& problem,
                    const AttentionGradients<T>& gradients,
                    AttentionWorkspace<Tensor<T>>& workspace) {
  const auto& shape = problem.shape;
  const Index heads = shape.batch * shape.heads, d_k = shape.head_width;
  const Index padded_steps = padded_to_tiles<T>(shape.steps);
  const Index chunk_keys = workspace.chunk_keys, chunks = parts_in(shape.steps, chunk_keys);
  const auto of_head = [&](auto tensor, Index head) {
    return head_of(tensor, shape, head / shape.heads, head % shape.heads);
  };
  T* const shares = chunks == 1 ? nullptr : workspace.query_gradients.data();

  // Chunk by chunk over all heads: in a causal problem the first keys are seen by the most queries,
  // so that the run ends with short tasks.
  const auto task_of = [&](Index task) -> ChunkTask<T> {
    const Index head = task % heads, chunk = task / heads, first = chunk * chunk_keys;
    return {.head = {.q = of_head(problem.q, head),
                     .k = of_head(problem.k, head),
                     .v = of_head(problem.v, head),
                     .output = of_head(BlockedMatrixView<const T>(problem.output), head),
                     .d_output = of_head(gradients.d_output, head),
                     .row_max = workspace.row_max.data() + head * padded_steps,
                     .row_sum = workspace.row_sum.data() + head * padded_steps,
                     .causal = shape.causal},
            .dk = of_head(gradients.dk, head),
            .dv = of_head(gradients.dv, head),
            .dq = of_head(gradients.dq, head),
            .dq_t_share =
                shares == nullptr ? nullptr : shares + (head * chunks + chunk) * padded_steps * d_k,
            .chunk = {first, std::min(chunk_keys, shape.steps - first)}};
  };
  team.for_each_task(heads * chunks, [&](Index task, int worker) {
    // The worker's next one, if all workers are equally fast.
    const Index next = std::min(task + team.size(), heads * chunks - 1);
    attend_chunk(task_of(task), task_of(next), backward_scratch(workspace, worker));
  });
  if (chunks == 1) return;

  const Index tiles = parts_in(shape.steps, kQueryTile<T>);
  team.for_each_task(heads * tiles, [&](Index task, int worker) {
    const Index head = task / tiles, first = task % tiles * kQueryTile<T>;
    const RowRange queries{first, std::min(kQueryTile<T>, shape.steps - first)};
    const Index seen = shape.causal ? parts_in(queries.end(), chunk_keys) : chunks;
    fold_query_gradients<T>({.shares = shares + head * chunks * padded_steps * d_k + first * d_k,
                             .stride = padded_steps * d_k,
                             .chunks = seen,
                             .sum = backward_scratch(workspace, worker).dq_t(d_k),
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
