// Backward of the fused kernel: a task per head and chunk of keys gets dK and dV of the chunk and
// its share of dQᵀ. Where a head has several chunks, a second pass adds the shares up in the order
// of the chunks.
#include <utility>

#include "attention/fused_tile.h"
#include "attention/fused_workspace.h"
#include "attention/key_blocks.h"
#include "attention/scaled_dot_product.h"
#include "core/eigen_view.h"

namespace seqbench {
namespace {

/// delta [kQueryTile] = rowsum(dO ∘ O), and 0 behind the last row. d_output [queries, d_k], with
/// queries in elements of P: rounded as dP has it, so that what cancels in dS does.
template <typename P, typename T = SumOf<P>>
void row_deltas(MatrixView<const P> d_output, MatrixView<const T> output, T* delta) {
  for (Index i = 0; i < output.rows; ++i) {
    if constexpr (std::is_same_v<P, T>) {
      delta[i] = as_eigen(d_output).row(i).dot(as_eigen(output).row(i));
    } else {
      const P* const pairs = d_output.row(i / 2);
      T sum = 0;
      for (Index c = 0; c < output.cols; ++c) {
        sum += (i % 2 == 0 ? pairs[c].first() : pairs[c].second()) * output(i, c);
      }
      delta[i] = sum;
    }
  }
  std::fill(delta + output.rows, delta + kQueryTile<T>, T{0});
}

/// What a task reads of its head.
template <typename P>
struct HeadTensors {
  using T = SumOf<P>;

  MatrixView<const T> q, output, d_output;  // [T, d_k]
  MatrixView<const P> k, v;                 // [keys, d_k], d_k in elements of P
  MatrixView<const P> k_of_keys;            // K [keys, d_k], keys in elements of P
  const T *row_max, *row_sum;               // [T, and behind it as far as a query tile reaches]
  bool causal;

  RowRange tile(Index first) const { return {first, std::min(kQueryTile<T>, q.rows - first)}; }

  /// Some queries before they have met any keys.
  BackwardTile<P> begin_tile(RowRange queries, const BackwardScratch<T>& scratch,
                             MatrixView<T> dq_t) const {
    const Index d_k = q.cols;
    BackwardTile<P> tile{.queries = queries.count,
                         .q = {},
                         .d_output = {},
                         .q_t = scratch.template q_t<P>(d_k),
                         .d_output_t = scratch.template d_output_t<P>(d_k),
                         .row_max = row_max + queries.first,
                         .row_sum = row_sum + queries.first,
                         .row_delta = scratch.row_delta(),
                         .dq_t = dq_t,
                         .first_keys = !causal};
    const MatrixView<const T> q_rows = rows_of(q, queries), do_rows = rows_of(d_output, queries);
    if constexpr (std::is_same_v<P, T>) {
      tile.q = q_rows;
      tile.d_output = do_rows;
    } else {
      const Index pairs = elements_of_depth<P>(queries.count);
      const MatrixView<P> q_pairs = scratch.q_pairs(d_k).row_block(0, pairs);
      const MatrixView<P> do_pairs = scratch.d_output_pairs(d_k).row_block(0, pairs);
      round_along_columns(q_rows, q_pairs);
      round_along_columns(do_rows, do_pairs);
      tile.q = q_pairs;
      tile.d_output = do_pairs;
    }
    if (causal) as_eigen(dq_t).setZero();  // the first keys may be seen by the later queries alone
    transpose_queries<T>(q_rows, scratch.template q_t<P>(d_k));
    transpose_queries<T>(do_rows, scratch.template d_output_t<P>(d_k));
    row_deltas<P>(tile.d_output, rows_of(output, queries), scratch.row_delta());
    return tile;
  }
};

/// The keys of `chunk` against every query that sees them.
template <typename P>
struct ChunkTask {
  using T = SumOf<P>;

  HeadTensors<P> head;
  MatrixView<T> dk, dv;  // [keys, d_k]
  MatrixView<T> dq;      // [T, d_k], where the chunk has all keys
  T* dq_t_share;         // else this chunk's share, a tile [d_k, kQueryTile] after the other
  RowRange chunk;
  Index first_of_block;  // query that meets the block of keys
  bool adds_to_dq;

  bool has_all_keys() const { return dq_t_share == nullptr; }
  /// The first query of the first tile with one that sees the chunk.
  Index first_query() const {
    return head.causal ? chunk.first / kQueryTile<T> * kQueryTile<T> : first_of_block;
  }
  MatrixView<T> share_of(Index query) const {
    const Index d_k = dq.cols;
    return {dq_t_share + (query - first_of_block) * d_k, d_k, kQueryTile<T>};
  }
};

/// What is fetched while a tile of queries meets the keys, a part with each tile of them: the next
/// queries, or, with the last ones, what the next task starts with.
template <typename P>
struct FetchedAhead {
  const HeadTensors<P>& head;
  RowRange queries;
  RowRange keys;  // none, but for the next task

  AheadOfGradients<P> part(Index i, Index parts) const {
    return {.with_scores = queries_ahead(head.q, i, parts),
            .with_probability_gradients = queries_ahead(head.d_output, i, parts),
            .with_dv = part_of(rows_of(head.k, keys), i, parts),
            .with_dk = part_of(rows_of(head.v, keys), i, parts)};
  }

 private:
  /// Elements that are only to be fetched may be seen as any of the same size.
  Ahead<P> queries_ahead(MatrixView<const SumOf<P>> rows, Index i, Index parts) const {
    const Ahead<SumOf<P>> part = part_of(rows_of(rows, queries), i, parts);
    return {reinterpret_cast<const P*>(part.data), part.count};
  }
};

template <typename P, typename T = SumOf<P>>
void attend_chunk(const ChunkTask<P>& task, const ChunkTask<P>& next_task,
                  const BackwardScratch<T>& scratch) {
  const HeadTensors<P>& head = task.head;
  const Index steps = head.q.rows, d_k = head.q.cols;
  if (head.causal) {  // the first queries that see some of a tile's keys do not see all
    as_eigen(rows_of(task.dk, task.chunk)).setZero();
    as_eigen(rows_of(task.dv, task.chunk)).setZero();
  }
  for (Index query = task.first_query(); query < steps; query += kQueryTile<T>) {
    const MatrixView<T> dq_t = task.has_all_keys() ? scratch.dq_t(d_k) : task.share_of(query);
    BackwardTile<P> queries = head.begin_tile(head.tile(query), scratch, dq_t);
    if (task.has_all_keys() && task.adds_to_dq) {
      transpose_queries<T>(MatrixView<const T>(rows_of(task.dq, head.tile(query))), dq_t);
      queries.first_keys = false;
    }
    const bool last = query + kQueryTile<T> >= steps;
    const FetchedAhead<P> ahead =
        last ? FetchedAhead<P>{next_task.head, next_task.head.tile(next_task.first_query()),
                               next_task.chunk}
             : FetchedAhead<P>{head, head.tile(query + kQueryTile<T>), {}};
    const RowRange rows = head.tile(query);
    const Index keys_end = head.causal ? std::min(task.chunk.end(), rows.end()) : task.chunk.end();
    for (Index key = task.chunk.first; key < keys_end; key += kKeyTile) {
      const RowRange keys{key, std::min(kKeyTile, keys_end - key)};
      const Index part = (key - task.chunk.first) / kKeyTile;
      const Index parts = parts_in(keys_end - task.chunk.first, kKeyTile);
      prefetch_part(rows_of(ahead.head.output, ahead.queries), part, parts);
      AheadOfGradients<P> fetched = ahead.part(part, parts);
      for (const auto& [first, met] : shares_of<T>(rows, keys, head.causal)) {
        if (met.count == 0) continue;
        attend_tile_backward<P>(queries.from(first),
                                {.k = rows_of(head.k, met),
                                 .v = rows_of(head.v, met),
                                 .k_of_keys = rows_of(head.k_of_keys, depth_range<P>(met)),
                                 .dk = rows_of(task.dk, met),
                                 .dv = rows_of(task.dv, met),
                                 .first_queries = !head.causal && query == task.first_query()},
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
  MatrixView<T> dq;   // [queries, d_k], assigned or
  bool adds_to_dq;
};

template <typename T>
void fold_query_gradients(const QueryGradientSum<T>& partial) {
  const auto share = [&](Index chunk) {
    return as_eigen(MatrixView<const T>(partial.shares + chunk * partial.stride, partial.sum.rows,
                                        partial.sum.cols));
  };
  if (partial.adds_to_dq) {
    transpose_queries<T>(MatrixView<const T>(partial.dq), partial.sum);
    as_eigen(partial.sum) += share(0);
  } else {
    as_eigen(partial.sum) = share(0);
  }
  for (Index chunk = 1; chunk < partial.chunks; ++chunk) as_eigen(partial.sum) += share(chunk);
  transpose<T>(partial.sum.column_block(0, partial.dq.rows), partial.dq);
}

/// As HeadTensors has them.
template <typename P>
struct KeyFactors {
  MatrixView<const P> k, v, k_of_keys;
};

/// fused_backward() with the factors that factors_of(head) has: k, v, and K with keys in elements
/// of P.
template <typename P, typename T, typename FactorsOf>
void attend_backward(const ThreadTeam& team, const AttentionProblem<T>& problem,
                     const AttentionGradients<T>& gradients, const KeyBlock& block,
                     AttentionWorkspace<Tensor<T>>& workspace, const FactorsOf& factors_of) {
  const auto& shape = problem.shape;
  const Index heads = shape.batch * shape.heads, d_k = shape.head_width;
  const Index padded_steps = padded_to_tiles<T>(shape.steps);
  const Index row_stride = workspace.row_max.shape()[1];
  const Index chunk_keys = workspace.chunk_keys, chunks = parts_in(block.keys, chunk_keys);
  const auto of_head = [&](auto tensor, Index head) {
    return head_of(tensor, shape, head / shape.heads, head % shape.heads);
  };
  const auto of_keys = [&](auto tensor, Index head) {
    return keys_of(tensor, block, head / shape.heads, head % shape.heads);
  };
  T* const shares = chunks == 1 ? nullptr : workspace.query_gradients.data();

  // Chunk by chunk over all heads: in a causal problem the first keys are seen by the most queries,
  // so that the run ends with short tasks.
  const auto task_of = [&](Index task) -> ChunkTask<P> {
    const Index head = task % heads, chunk = task / heads, first = chunk * chunk_keys;
    const KeyFactors<P> keys = factors_of(head);
    return {.head = {.q = of_head(problem.q, head),
                     .output = of_head(BlockedMatrixView<const T>(problem.output), head),
                     .d_output = of_head(gradients.d_output, head),
                     .k = keys.k,
                     .v = keys.v,
                     .k_of_keys = keys.k_of_keys,
                     .row_max = workspace.row_max.data() + head * row_stride,
                     .row_sum = workspace.row_sum.data() + head * row_stride,
                     .causal = shape.causal},
            .dk = of_keys(gradients.dk, head),
            .dv = of_keys(gradients.dv, head),
            .dq = of_head(gradients.dq, head),
            .dq_t_share =
                shares == nullptr ? nullptr : shares + (head * chunks + chunk) * padded_steps * d_k,
            .chunk = {first, std::min(chunk_keys, block.keys - first)},
            .first_of_block = block.first_query,
            .adds_to_dq = !block.begins};
  };
  team.for_each_task(heads * chunks, [&](Index task, int worker) {
    // The worker's next one, if all workers are equally fast.
    const Index next = std::min(task + team.size(), heads * chunks - 1);
    attend_chunk(task_of(task), task_of(next), backward_scratch(workspace, worker));
  });
  if (chunks == 1) return;

  const Index tiles = parts_in(shape.steps - block.first_query, kQueryTile<T>);
  team.for_each_task(heads * tiles, [&](Index task, int worker) {
    const Index head = task / tiles, behind = task % tiles * kQueryTile<T>;
    const Index first = block.first_query + behind;
    const RowRange queries{first, std::min(kQueryTile<T>, shape.steps - first)};
    const Index seen = shape.causal ? parts_in(queries.end(), chunk_keys) : chunks;
    fold_query_gradients<T>({.shares = shares + head * chunks * padded_steps * d_k + behind * d_k,
                             .stride = padded_steps * d_k,
                             .chunks = seen,
                             .sum = backward_scratch(workspace, worker).dq_t(d_k),
                             .dq = rows_of(of_head(gradients.dq, head), queries),
                             .adds_to_dq = !block.begins});
  });
}

/// fused_backward() with factors in bfloat16.
void rounded_backward(const ThreadTeam& team, const AttentionProblem<float>& problem,
                      const AttentionGradients<float>& gradients,
                      AttentionWorkspace<Tensor<float>>& workspace) {
  using P = Bfloat16Pair;
  const auto& shape = problem.shape;
  const RoundedHeads heads(shape, workspace);
  heads.round(team, {.first = problem.v, .second = problem.k, .of_depth = problem.k});
  attend_backward<P>(
      team, problem, gradients, own_keys(shape), workspace, [&](Index head) -> KeyFactors<P> {
        return {.k = heads.second(head), .v = heads.first(head), .k_of_keys = heads.of_depth(head)};
      });
}

}  // namespace

template <typename T>
void fused_backward(const ThreadTeam& team, const AttentionProblem<T>& problem,
                    const AttentionGradients<T>& gradients,
                    AttentionWorkspace<Tensor<T>>& workspace) {
  const auto& shape = problem.shape;
  if constexpr (std::is_same_v<T, float>) {
    if (shape.factors == Factors::kBfloat16) {
      return rounded_backward(team, problem, gradients, workspace);
    }
  }
  fused_backward(team, problem, gradients, own_keys(shape), workspace);
}

template <typename T>
void fused_backward(const ThreadTeam& team, const AttentionProblem<T>& problem,
                    const AttentionGradients<T>& gradients, const KeyBlock& block,
                    AttentionWorkspace<Tensor<T>>& workspace) {
  const auto& shape = problem.shape;
  assert(shape.factors == Factors::kAsTheyAre);
  assert_fits(block, shape);
  attend_backward<T>(team, problem, gradients, block, workspace, [&](Index head) -> KeyFactors<T> {
    const Index b = head / shape.heads, h = head % shape.heads;
    const MatrixView<const T> k = keys_of(problem.k, block, b, h);
    return {.k = k, .v = keys_of(problem.v, block, b, h), .k_of_keys = k};
  });
}

#define SEQBENCH_INSTANTIATE(T)                                                                  \
  template void fused_backward<T>(const ThreadTeam&, const AttentionProblem<T>&,                 \
                                  const AttentionGradients<T>&, AttentionWorkspace<Tensor<T>>&); \
  template void fused_backward<T>(const ThreadTeam&, const AttentionProblem<T>&,                 \
                                  const AttentionGradients<T>&, const KeyBlock&,                 \
                                  AttentionWorkspace<Tensor<T>>&);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
