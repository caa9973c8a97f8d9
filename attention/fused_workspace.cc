#include "attention/fused_workspace.h"

namespace seqbench {

template <typename T>
AttentionWorkspace<BufferShape> fused_workspace(const AttentionShape& shape, Pass pass,
                                                int workers) {
  const Index heads = shape.batch * shape.heads, d_k = shape.head_width;
  const Index tiles = parts_in(shape.steps, kQueryTile<T>);
  AttentionWorkspace<BufferShape> workspace;
  workspace.row_max = workspace.row_sum = {heads, padded_to_tiles<T>(shape.steps)};
  const Index forward = ForwardScratch<T>::elements(d_k), backward = 2 * kKeyTile * kQueryTile<T>;
  workspace.tile_scratch = {workers, std::max(forward, pass == Pass::kTrain ? backward : 0)};
  if (pass == Pass::kTrain) {
    workspace.row_delta = workspace.row_max;
    workspace.query_tiles = {heads, tiles, 2, d_k, kQueryTile<T>};
    workspace.chunk_keys = chunk_keys_for(shape);
    workspace.query_gradients = {heads, parts_in(shape.steps, workspace.chunk_keys), tiles, d_k,
                                 kQueryTile<T>};
  }
  return workspace;
}

template AttentionWorkspace<BufferShape> fused_workspace<float>(const AttentionShape&, Pass, int);
template AttentionWorkspace<BufferShape> fused_workspace<double>(const AttentionShape&, Pass, int);

}  // namespace seqbench
