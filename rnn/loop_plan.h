// How the time loop of the `persistent` kernel is shared out.
//
// Either the workers share the hidden units: each computes all gates of its own, for every
// sequence, from a slice of the recurrent weights that stays in its private cache, and all meet at
// a barrier each step. Or they share the sequences: each runs its own through all units, reads all
// weights, and never waits. The second is better once every worker has enough rows to read a
// weight once for several multiply-adds.
//
// Every sum runs up or down the indices of its terms, the same way in either form and for any cut,
// so that the number of workers, from which form and cut follow, leaves no trace in the result.
#pragma once

#include <hwy/highway.h>

#include <algorithm>

#include "core/register_block.h"
#include "core/tensor.h"

namespace seqbench {

struct LoopPlan {
  Index unit_shares;      // workers that share the units
  Index sequence_groups;  // that run without each other; 1 where units are shared
  Index rows;             // sequences of the largest group

  bool shares_units() const { return unit_shares > 1; }
};

/// Units of one vector; a gate's columns of packed weights are a multiple of it.
template <typename T>
constexpr Index unit_lanes() {
  return static_cast<Index>(hn::MaxLanes(hn::ScalableTag<T>()));
}

template <typename T>
LoopPlan plan_loop(Index batch, Index width, int workers) {
  // With 4 rows a step does 8 FLOPs for each byte of weights: the L2 cache of any CPU feeds that.
  constexpr Index kEnoughRows = 4;
  // States and pre-activations of a group should stay in L2 beside the weights.
  constexpr Index kMostRows = 48;
  const Index n = workers;
  if (n > 1 && batch < kEnoughRows * n) {
    const Index vectors = (width + unit_lanes<T>() - 1) / unit_lanes<T>();
    return {.unit_shares = std::min(n, vectors), .sequence_groups = 1, .rows = batch};
  }
  const Index groups = n * ((batch + n * kMostRows - 1) / (n * kMostRows));
  return {.unit_shares = 1, .sequence_groups = groups, .rows = (batch + groups - 1) / groups};
}

/// Some neighbouring units.
struct UnitBlock {
  Index first = 0, count = 0;
  Index columns = 0;  // count in whole vectors
};

/// Neighbouring units in blocks of nearly equal size: the first `larger` have one vector more.
template <typename T>
struct UnitShare {
  Index width;  // D
  Index first_vector;
  Index blocks;
  Index vectors_of_block;
  Index larger;

  UnitBlock block(Index i) const {
    const Index vectors = vectors_of_block + (i < larger ? 1 : 0);
    const Index first =
        (first_vector + i * vectors_of_block + std::min(i, larger)) * unit_lanes<T>();
    const Index columns = vectors * unit_lanes<T>();
    return {first, std::min(columns, width - first), columns};
  }
};

/// All units, cut into shares of whole vectors.
template <typename T>
struct UnitCut {
  Index width;  // D
  Index shares = 1;
  Index most_vectors = 1;  // of a block

  Index vectors() const { return (width + unit_lanes<T>() - 1) / unit_lanes<T>(); }
  Index columns() const { return vectors() * unit_lanes<T>(); }
  UnitShare<T> share(Index i) const {
    const Index first = vectors() * i / shares, n = vectors() * (i + 1) / shares - first;
    const Index blocks = (n + most_vectors - 1) / most_vectors;
    return {.width = width,
            .first_vector = first,
            .blocks = blocks,
            .vectors_of_block = n / blocks,
            .larger = n % blocks};
  }
};

}  // namespace seqbench
