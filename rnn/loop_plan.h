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

#include "core/parts.h"
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

/// Elements between the rows of states that are broadcast: not a power of two, whose multiples
/// would share a few sets of the L1 cache.
template <typename T>
constexpr Index state_stride(Index elements) {
  return elements + unit_lanes<T>();
}

/// Sequences of a group at most: their states and pre-activations should stay in L2 beside the
/// weights.
inline constexpr Index kMostLoopRows = 48;

template <typename T>
LoopPlan plan_loop(Index batch, Index width, int workers) {
  // With 4 rows a step does 8 FLOPs for each byte of weights: the L2 cache of any CPU feeds that.
  constexpr Index kEnoughRows = 4;
  const Index n = workers;
  if (n > 1 && batch < kEnoughRows * n) {
    const Index vectors = parts_in(width, unit_lanes<T>());
    return {.unit_shares = std::min(n, vectors), .sequence_groups = 1, .rows = batch};
  }
  const Index groups = n * parts_in(batch, n * kMostLoopRows);
  return {.unit_shares = 1, .sequence_groups = groups, .rows = parts_in(batch, groups)};
}

/// Some neighbouring units.
struct UnitBlock {
  Index first = 0, count = 0;
  Index columns = 0;  // count in whole vectors
};

/// Neighbouring units, cut into blocks.
template <typename T>
struct UnitShare {
  Index width;  // D
  Part vectors;
  EvenParts of_block;  // vectors, from the first of these on

  Index columns() const { return vectors.count * unit_lanes<T>(); }
  Index blocks() const { return of_block.count(); }
  /// All of them as one.
  UnitBlock all() const {
    const Index first = vectors.first * unit_lanes<T>();
    return {first, std::min(columns(), width - first), columns()};
  }
  UnitBlock block(Index i) const {
    const Index first = (vectors.first + of_block[i].first) * unit_lanes<T>();
    const Index columns = of_block[i].count * unit_lanes<T>();
    return {first, std::min(columns, width - first), columns};
  }
};

/// All units, cut into shares of whole vectors.
template <typename T>
struct UnitCut {
  Index width;  // D
  Index shares = 1;
  Index block_vectors = 1;  // of a block at most

  Index vectors() const { return parts_in(width, unit_lanes<T>()); }
  Index columns() const { return vectors() * unit_lanes<T>(); }
  UnitShare<T> share(Index i) const {
    const Part part = EvenParts::into(vectors(), shares)[i];
    return {width, part, EvenParts::of_at_most(part.count, block_vectors)};
  }
};

}  // namespace seqbench
