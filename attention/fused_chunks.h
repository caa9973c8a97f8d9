// How the fused kernel's backward cuts the keys of a head into tasks.
#pragma once

#include <algorithm>

#include "attention/fused_tile.h"
#include "attention/scaled_dot_product.h"

namespace seqbench {

/// Tiles of `size` that cover `n`.
inline Index tiles_in(Index n, Index size) { return (n + size - 1) / size; }

// Backward should have at least this many tasks: enough for 16 workers to end within a task or two
// of each other. Each chunk of a head costs a dQ of [T, d_k], so that all of them together stay
// below 2·kBackwardTasks·T·d_k elements.
inline constexpr Index kBackwardTasks = 32;

/// Keys in one chunk: whole key tiles, as many chunks as bring B·H·chunks to kBackwardTasks.
/// Follows from the shape alone.
inline Index chunk_keys_for(const AttentionShape& shape) {
  const Index tiles = tiles_in(shape.steps, kKeyTile);
  const Index chunks = std::min(tiles, tiles_in(kBackwardTasks, shape.batch * shape.heads));
  return tiles_in(tiles, chunks) * kKeyTile;
}

}  // namespace seqbench
