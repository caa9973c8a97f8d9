// Forward of the fused kernel: which worker takes which queries through which tiles of keys.
#include <utility>

#include "attention/fused_tile.h"
#include "attention/fused_workspace.h"
#include "attention/scaled_dot_product.h"

namespace seqbench {
namespace {

/// One task: `queries` of one head against every key that they see.
template <typename T>
struct ForwardTask {
  MatrixView<const T> q, k, v;  // [T, d_k]
  MatrixView<T> output;         // [T, d_k]
  T* row_max;                   // [T, padded to whole query tiles]
  T* row_sum;                   // likewise
  RowRange queries;             // from the start of a query tile on
  bool causal;

  /// The first key that none of the queries sees.
  Index keys_end() const { return causal ? queries.end() : k.rows; }
  /// The keys of the tile that starts at `key`, as far as any of the queries sees them.
  RowRange key_tile(Index key) const {
    return {key, std::clamp<Index>(keys_end() - key, 0, kKeyTile)};
  }
};

/// What a task fetches while it works on one tile of keys, a part with each of its query tiles: the
/// next keys, or, with the last ones, what the next task starts with.
template <typename T>
struct FetchedAhead {
  const ForwardTask<T>& from;
  RowRange keys;
  bool first_keys;

  Ahead<T> with_scores(Index tile, Index tiles) const {
    return first_keys ? part_of(rows_of(from.q, from.queries), tile, tiles)
                      : part_of(rows_of(from.k, keys), tile, tiles);
  }
  Ahead<T> with_output(Index tile, Index tiles) const {
    if (!first_keys) return part_of(rows_of(from.v, keys), tile, tiles);
    const auto& rows = tile % 2 == 0 ? from.k : from.v;
    return part_of(rows_of(rows, keys), tile / 2, parts_in(tiles, 2));
  }
};

/// The queries go through the keys side by side, so that a tile of keys is fetched once for all of
/// them: at one query tile a time a long sequence's keys would come from the last cache level for
/// each.
template <typename T>
void attend_queries(const ForwardTask<T>& task, const ForwardTask<T>& next,
                    const ForwardScratch<T>& scratch) {
  const RowRange queries = task.queries;
  const Index tiles = parts_in(queries.count, kQueryTile<T>);
  const auto tile_rows = [&](Index tile) -> RowRange {
    const Index first = queries.first + tile * kQueryTile<T>;
    return {first, std::min(kQueryTile<T>, queries.end() - first)};
  };
  const auto tile_state = [&](Index tile) -> ForwardTile<T> {
    const Index first = tile_rows(tile).first;
    return {.q_t = scratch.query_tile(tile, task.q.cols),
            .output_t = scratch.output_tile(tile, task.q.cols),
            .softmax = {.max = task.row_max + first,
                        .sum = task.row_sum + first,
                        .factor = exponent_factor<T>(task.q.cols)}};
  };

  for (Index tile = 0; tile < tiles; ++tile) {
    transpose_queries<T>(rows_of(task.q, tile_rows(tile)), scratch.query_tile(tile, task.q.cols));
    begin_tile(tile_state(tile));
  }
  const Index keys_end = task.keys_end();
  for (Index key = 0; key < keys_end; key += kKeyTile) {
    const bool last = key + kKeyTile >= keys_end;
    const ForwardTask<T>& then = last ? next : task;
    const FetchedAhead<T> ahead{then, then.key_tile(last ? 0 : key + kKeyTile), last};
    for (Index tile = 0; tile < tiles; ++tile) {
      const RowRange rows = tile_rows(tile);
      if (task.causal && rows.end() <= key) continue;  // sees none of these keys
      AheadOfTile<T> fetched{ahead.with_scores(tile, tiles), ahead.with_output(tile, tiles)};
      for (const auto& [query, keys] : shares_of<T>(rows, task.key_tile(key), task.causal)) {
        if (keys.count == 0) continue;
        const ForwardTile<T> share = tile_state(tile).from(query);
        attend_tile<T>(share, {.k = rows_of(task.k, keys), .v = rows_of(task.v, keys)},
                       {.causal = task.causal, .query = rows.first + query, .key = keys.first},
                       scratch.scores(keys.count, share.q_t.cols), std::exchange(fetched, {}));
      }
    }
  }
  for (Index tile = 0; tile < tiles; ++tile) {
    finish_tile(tile_state(tile), rows_of(task.output, tile_rows(tile)));
  }
}

}  // namespace

template <typename T>
void fused_forward(const ThreadTeam& team, const AttentionProblem<T>& problem,
                   AttentionWorkspace<Tensor<T>>& workspace) {
  const auto& shape = problem.shape;
  const Index heads = shape.batch * shape.heads;
  const Index task_queries = forward_task_tiles<T>(shape) * kQueryTile<T>;
  const Index tasks = parts_in(shape.steps, task_queries);
  const Index padded_steps = padded_to_tiles<T>(shape.steps);
  // Head after head, so that the tasks of a head find its keys in cache. The last queries of a
  // causal head see the most keys: they go first, so that the run ends with short tasks.
  const auto task_of = [&](Index task) -> ForwardTask<T> {
    const Index head = task / tasks, b = head / shape.heads, h = head % shape.heads;
    const Index first = (tasks - 1 - task % tasks) * task_queries;
    return {.q = head_of(problem.q, shape, b, h),
            .k = head_of(problem.k, shape, b, h),
            .v = head_of(problem.v, shape, b, h),
            .output = head_of(problem.output, shape, b, h),
            .row_max = workspace.row_max.data() + head * padded_steps,
            .row_sum = workspace.row_sum.data() + head * padded_steps,
            .queries = {first, std::min(task_queries, shape.steps - first)},
            .causal = shape.causal};
  };
  team.for_each_task(heads * tasks, [&](Index task, int worker) {
    // The worker's next one, if all workers are equally fast.
    const Index next = std::min(task + team.size(), heads * tasks - 1);
    attend_queries(task_of(task), task_of(next), forward_scratch(workspace, worker));
  });
}

#define SEQBENCH_INSTANTIATE(T)                                                 \
  template void fused_forward<T>(const ThreadTeam&, const AttentionProblem<T>&, \
                                 AttentionWorkspace<Tensor<T>>&);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
