// Forward of the fused kernel: which worker takes which queries through which tiles of keys.
#include <utility>

#include "attention/fused_tile.h"
#include "attention/fused_workspace.h"
#include "attention/key_blocks.h"
#include "attention/scaled_dot_product.h"

namespace seqbench {
namespace {

/// A head's tensors as factors: q [T, d_k] and k with d_k, v with keys in elements of P.
template <typename P>
struct HeadFactors {
  MatrixView<const P> q, k, v;
};

/// One task: `queries` of one head against every key that they see.
template <typename P>
struct ForwardTask {
  using T = SumOf<P>;

  HeadFactors<P> head;
  MatrixView<T> output;  // [T, d_k]
  T* row_max;            // [T, and behind it as far as a query tile reaches]
  T* row_sum;            // likewise
  RowRange queries;      // whole tiles, but for the last one of a sequence
  Index met_keys;        // where causality hides none
  bool causal;
  bool begins, finishes;  // as KeyBlock says

  Index head_width() const { return output.cols; }
  /// The first key that none of the queries sees.
  Index keys_end() const { return causal ? queries.end() : met_keys; }
  /// The keys of the tile that starts at `key`, as far as any of the queries sees them.
  RowRange key_tile(Index key) const {
    return {key, std::clamp<Index>(keys_end() - key, 0, kKeyTile)};
  }
  MatrixView<const P> keys(RowRange range) const { return rows_of(head.k, range); }
  MatrixView<const P> values(RowRange range) const {
    return rows_of(head.v, depth_range<P>(range));
  }
};

/// What a task fetches while it works on one tile of keys, a part with each of its query tiles: the
/// next keys, or, with the last ones, what the next task starts with.
template <typename P>
struct FetchedAhead {
  const ForwardTask<P>& from;
  RowRange keys;
  bool first_keys;

  Ahead<P> with_scores(Index tile, Index tiles) const {
    return first_keys ? part_of(rows_of(from.head.q, from.queries), tile, tiles)
                      : part_of(from.keys(keys), tile, tiles);
  }
  Ahead<P> with_output(Index tile, Index tiles) const {
    if (!first_keys) return part_of(from.values(keys), tile, tiles);
    return part_of(tile % 2 == 0 ? from.keys(keys) : from.values(keys), tile / 2,
                   parts_in(tiles, 2));
  }
};

/// The queries go through the keys side by side, so that a tile of keys is fetched once for all of
/// them: at one query tile a time a long sequence's keys would come from the last cache level for
/// each.
template <typename P, typename T = SumOf<P>>
void attend_queries(const ForwardTask<P>& task, const ForwardTask<P>& next,
                    const ForwardScratch<T>& scratch) {
  const RowRange queries = task.queries;
  const Index d_k = task.head_width(), tiles = parts_in(queries.count, kQueryTile<T>);
  const auto tile_rows = [&](Index tile) -> RowRange {
    const Index first = queries.first + tile * kQueryTile<T>;
    return {first, std::min(kQueryTile<T>, queries.end() - first)};
  };
  const auto tile_state = [&](Index tile) -> ForwardTile<P> {
    const Index first = tile_rows(tile).first;
    return {.q_t = scratch.template query_tile<P>(tile, d_k),
            .output_t = scratch.output_tile(tile, d_k),
            .softmax = {.max = task.row_max + first,
                        .sum = task.row_sum + first,
                        .factor = exponent_factor<T>(d_k)}};
  };

  for (Index tile = 0; tile < tiles; ++tile) {
    transpose_queries<P>(rows_of(task.head.q, tile_rows(tile)),
                         scratch.template query_tile<P>(tile, d_k));
    if (task.begins) {
      begin_tile(tile_state(tile));
    } else {
      resume_tile<P, T>(tile_state(tile), rows_of(task.output, tile_rows(tile)));
    }
  }
  const Index keys_end = task.keys_end();
  for (Index key = 0; key < keys_end; key += kKeyTile) {
    const bool last = key + kKeyTile >= keys_end;
    const ForwardTask<P>& then = last ? next : task;
    const FetchedAhead<P> ahead{then, then.key_tile(last ? 0 : key + kKeyTile), last};
    for (Index tile = 0; tile < tiles; ++tile) {
      const RowRange rows = tile_rows(tile);
      if (task.causal && rows.end() <= key) continue;  // sees none of these keys
      AheadOfTile<P> fetched{ahead.with_scores(tile, tiles), ahead.with_output(tile, tiles)};
      for (const auto& [query, keys] : shares_of<T>(rows, task.key_tile(key), task.causal)) {
        if (keys.count == 0) continue;
        const ForwardTile<P> share = tile_state(tile).from(query);
        attend_tile<P>(share, {.k = task.keys(keys), .v = task.values(keys)},
                       {.causal = task.causal, .query = rows.first + query, .key = keys.first},
                       scratch.scores(keys.count, share.q_t.cols), std::exchange(fetched, {}));
      }
    }
  }
  for (Index tile = 0; tile < tiles; ++tile) {
    const MatrixView<T> output = rows_of(task.output, tile_rows(tile));
    if (task.finishes) {
      finish_tile(tile_state(tile), output);
    } else {
      leave_tile(tile_state(tile), output);
    }
  }
}

/// Calls attend_queries() for every head and group of queries; factors_of(b, h) has the factors.
template <typename P, typename T, typename FactorsOf>
void attend_heads(const ThreadTeam& team, const AttentionProblem<T>& problem, const KeyBlock& block,
                  AttentionWorkspace<Tensor<T>>& workspace, const FactorsOf& factors_of) {
  const auto& shape = problem.shape;
  const Index heads = shape.batch * shape.heads;
  const Index queries = shape.steps - block.first_query;
  const Index task_queries = forward_task_tiles<T>(heads, queries) * kQueryTile<T>;
  const Index tasks = parts_in(queries, task_queries);
  const Index row_stride = workspace.row_max.shape()[1];
  // Head after head, so that the tasks of a head find its keys in cache. The last queries of a
  // causal head see the most keys: they go first, so that the run ends with short tasks.
  const auto task_of = [&](Index task) -> ForwardTask<P> {
    const Index head = task / tasks, b = head / shape.heads, h = head % shape.heads;
    const Index first = block.first_query + (tasks - 1 - task % tasks) * task_queries;
    return {.head = factors_of(b, h),
            .output = head_of(problem.output, shape, b, h),
            .row_max = workspace.row_max.data() + head * row_stride,
            .row_sum = workspace.row_sum.data() + head * row_stride,
            .queries = {first, std::min(task_queries, shape.steps - first)},
            .met_keys = block.keys,
            .causal = shape.causal,
            .begins = block.begins,
            .finishes = block.finishes};
  };
  team.for_each_task(heads * tasks, [&](Index task, int worker) {
    // The worker's next one, if all workers are equally fast.
    const Index next = std::min(task + team.size(), heads * tasks - 1);
    attend_queries(task_of(task), task_of(next), forward_scratch(workspace, worker));
  });
}

/// fused_forward() with factors in bfloat16.
void rounded_forward(const ThreadTeam& team, const AttentionProblem<float>& problem,
                     AttentionWorkspace<Tensor<float>>& workspace) {
  const RoundedHeads heads(problem.shape, workspace);
  heads.round(team, {.first = problem.q, .second = problem.k, .of_depth = problem.v});
  attend_heads<Bfloat16Pair>(
      team, problem, own_keys(problem.shape), workspace,
      [&](Index b, Index h) -> HeadFactors<Bfloat16Pair> {
        const Index head = b * problem.shape.heads + h;
        return {.q = heads.first(head), .k = heads.second(head), .v = heads.of_depth(head)};
      });
}

}  // namespace

template <typename T>
void fused_forward(const ThreadTeam& team, const AttentionProblem<T>& problem,
                   AttentionWorkspace<Tensor<T>>& workspace) {
  const auto& shape = problem.shape;
  if constexpr (std::is_same_v<T, float>) {
    if (shape.factors == Factors::kBfloat16) return rounded_forward(team, problem, workspace);
  }
  fused_forward(team, problem, own_keys(shape), workspace);
}

template <typename T>
void fused_forward(const ThreadTeam& team, const AttentionProblem<T>& problem,
                   const KeyBlock& block, AttentionWorkspace<Tensor<T>>& workspace) {
  const auto& shape = problem.shape;
  assert(shape.factors == Factors::kAsTheyAre);
  assert_fits(block, shape);
  attend_heads<T>(team, problem, block, workspace, [&](Index b, Index h) -> HeadFactors<T> {
    return {.q = head_of(problem.q, shape, b, h),
            .k = keys_of(problem.k, block, b, h),
            .v = keys_of(problem.v, block, b, h)};
  });
}

template <typename T>
void finish_rows(const ThreadTeam& team, const AttentionProblem<T>& problem,
                 const AttentionWorkspace<Tensor<T>>& workspace) {
  const auto& shape = problem.shape;
  const Index tasks = parts_in(shape.steps, kQueryTile<T>);
  team.for_each_task(shape.batch * shape.heads * tasks, [&](Index task, int) {
    const Index head = task / tasks, first = task % tasks * kQueryTile<T>;
    const MatrixView<T> output =
        head_of(problem.output, shape, head / shape.heads, head % shape.heads);
    const T* const sums = workspace.row_sum.data() + head * workspace.row_sum.shape()[1];
    for (Index i = first; i < std::min(first + kQueryTile<T>, shape.steps); ++i) {
      scale(output.row_block(i, 1), 1 / sums[i]);
    }
  });
}

#define SEQBENCH_INSTANTIATE(T)                                                                  \
  template void fused_forward<T>(const ThreadTeam&, const AttentionProblem<T>&,                  \
                                 AttentionWorkspace<Tensor<T>>&);                                \
  template void fused_forward<T>(const ThreadTeam&, const AttentionProblem<T>&, const KeyBlock&, \
                                 AttentionWorkspace<Tensor<T>>&);                                \
  template void finish_rows<T>(const ThreadTeam&, const AttentionProblem<T>&,                    \
                               const AttentionWorkspace<Tensor<T>>&);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
