// Forward of the fused kernel: which worker takes which queries through which tiles of keys.
#include "attention/fused_chunks.h"
#include "attention/fused_tile.h"
#include "attention/scaled_dot_product.h"

namespace seqbench {
namespace {

/// One task: `queries` of one head against every key that they see.
template <typename T>
struct ForwardTask {
  MatrixView<const T> q, k, v;  // [T, d_k]
  MatrixView<T> output;         // [T, d_k]
  T* row_max;                   // [T]
  T* row_sum;                   // [T]
  RowRange queries;
  bool causal;
};

template <typename T>
void attend_queries(const ForwardTask<T>& task, MatrixView<T> scratch) {
  const RowRange queries = task.queries;
  const QueryRows<T> rows{.q = rows_of(task.q, queries),
                          .output = rows_of(task.output, queries),
                          .row_max = task.row_max + queries.first,
                          .row_sum = task.row_sum + queries.first,
                          .scale = logit_scale<T>(task.q.cols)};
  const Index keys_end = task.causal ? queries.end() : task.k.rows;
  begin_rows(rows);
  for (Index key = 0; key < keys_end; key += kKeyTile) {
    const RowRange keys = visible_keys(key, queries, task.k.rows, task.causal);
    const auto scores = scratch.row_block(0, queries.count).column_block(0, keys.count);
    attend_tile<T>(rows, {.k = rows_of(task.k, keys), .v = rows_of(task.v, keys)}, scores,
                   {.causal = task.causal, .query = queries.first, .key = key});
  }
  divide_by_row_sums(rows);
}

}  // namespace

AttentionWorkspace<BufferShape> fused_workspace(const AttentionShape& shape, Pass pass,
                                                int workers) {
  const bool train = pass == Pass::kTrain;
  const Index heads = shape.batch * shape.heads;
  AttentionWorkspace<BufferShape> workspace;
  workspace.row_max = workspace.row_sum = {heads, shape.steps};
  workspace.score_tiles = {workers, train ? 2 : 1, kQueryTile, kKeyTile};
  if (train) {
    workspace.row_delta = {heads, shape.steps};
    workspace.chunk_keys = chunk_keys_for(shape);
    const Index chunks = tiles_in(shape.steps, workspace.chunk_keys);
    if (chunks > 1) workspace.query_gradients = {heads, chunks, shape.steps, shape.head_width};
  }
  return workspace;
}

template <typename T>
void fused_forward(const ThreadTeam& team, const AttentionProblem<T>& problem,
                   AttentionWorkspace<Tensor<T>>& workspace) {
  const auto& shape = problem.shape;
  const Index tiles = tiles_in(shape.steps, kQueryTile);
  team.for_each_task(shape.batch * shape.heads * tiles, [&](Index task, int worker) {
    const Index head = task / tiles, b = head / shape.heads, h = head % shape.heads;
    // The last queries of a causal head see the most keys: they go first, so that the run ends
    // with short tasks.
    const Index first = (tiles - 1 - task % tiles) * kQueryTile;
    T* scratch = workspace.score_tiles.data() + worker * kQueryTile * kKeyTile;
    attend_queries<T>({.q = head_of(problem.q, shape, b, h),
                       .k = head_of(problem.k, shape, b, h),
                       .v = head_of(problem.v, shape, b, h),
                       .output = head_of(problem.output, shape, b, h),
                       .row_max = workspace.row_max.data() + head * shape.steps,
                       .row_sum = workspace.row_sum.data() + head * shape.steps,
                       .queries = {first, std::min(kQueryTile, shape.steps - first)},
                       .causal = shape.causal},
                      {scratch, kQueryTile, kKeyTile});
  });
}

#define SEQBENCH_INSTANTIATE(T)                                                 \
  template void fused_forward<T>(const ThreadTeam&, const AttentionProblem<T>&, \
                                 AttentionWorkspace<Tensor<T>>&);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
