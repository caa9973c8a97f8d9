#include "attention/fused_workspace.h"

#include "attention/key_blocks.h"
#include "core/bfloat16.h"

namespace seqbench {

template <typename T>
AttentionWorkspace<BufferShape> fused_workspace(const AttentionShape& shape, Pass pass,
                                                int workers) {
  const Index heads = shape.batch * shape.heads, d_k = shape.head_width;
  const Index tiles = parts_in(shape.steps, kQueryTile<T>);
  AttentionWorkspace<BufferShape> workspace;
  workspace.row_max = workspace.row_sum = {heads, padded_to_tiles<T>(shape.steps)};
  workspace.tile_scratch = {workers, ForwardScratch<T>::elements(d_k)};
  if (shape.factors == Factors::kBfloat16) {
    const Index T_ = shape.steps;
    workspace.rounded_queries = {heads, T_, elements_of_depth<Bfloat16Pair>(d_k)};
    workspace.rounded_keys = workspace.rounded_queries;
    workspace.rounded_values = {heads, elements_of_depth<Bfloat16Pair>(T_), d_k};
  }
  if (pass != Pass::kTrain) return workspace;
  workspace.tile_scratch[1] =
      std::max(workspace.tile_scratch[1], BackwardScratch<T>::elements(d_k, shape.factors));
  workspace.chunk_keys = chunk_keys_for(shape);
  const Index chunks = parts_in(shape.steps, workspace.chunk_keys);
  if (chunks > 1) workspace.query_gradients = {heads, chunks, tiles, d_k, kQueryTile<T>};
  return workspace;
}

/// Tiles of queries that start in the middle of a sequence may end up to a tile behind it.
template <typename T>
AttentionWorkspace<BufferShape> fused_block_workspace(const AttentionShape& shape, Pass pass,
                                                      int workers) {
  AttentionWorkspace<BufferShape> workspace = fused_workspace<T>(shape, pass, workers);
  for (BufferShape* const rows : {&workspace.row_max, &workspace.row_sum}) {
    rows->back() = padded_to_tiles<T>(shape.steps + kQueryTile<T> - 1);
  }
  return workspace;
}

void RoundedHeads::round(const ThreadTeam& team, const Sources& from) const {
  using P = Bfloat16Pair;
  constexpr Index kRows = 256;  // of a task; even, so that pairs of steps stay together
  const Index tasks = parts_in(shape_.steps, kRows);
  team.for_each_task(shape_.batch * shape_.heads * tasks, [&](Index task, int) {
    const Index head = task / tasks, b = head / shape_.heads, h = head % shape_.heads;
    const Index start = task % tasks * kRows;
    const RowRange rows{start, std::min(kRows, shape_.steps - start)};
    const auto source = [&](const BlockedMatrixView<const float>& tensor) {
      return rows_of(head_of(tensor, shape_, b, h), rows);
    };
    round_along_rows(source(from.first), rows_of(first(head), rows));
    round_along_rows(source(from.second), rows_of(second(head), rows));
    round_along_columns(source(from.of_depth), rows_of(of_depth(head), depth_range<P>(rows)));
  });
}

#define SEQBENCH_INSTANTIATE(T)                                                                  \
  template AttentionWorkspace<BufferShape> fused_workspace<T>(const AttentionShape&, Pass, int); \
  template AttentionWorkspace<BufferShape> fused_block_workspace<T>(const AttentionShape&, Pass, \
                                                                    int);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
