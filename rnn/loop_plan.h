// How the time loop of the `persistent` kernel is shared out.
//
// Either the workers share the hidden units: each computes all gates of its own, for every
// sequence, from a slice of the recurrent weights that stays in its private cache, and all meet at
// a barrier each step. Or they share the sequences: each runs its own through all units, reads all
// weights, and never waits. The second is better once every worker has enough rows to read a
// weight once for several multiply-adds.
//
// Every sum runs in the order of its terms' indices in either form and for any cut, so that the
// number of workers, from which form and cut follow, leaves no trace in the result.
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
  Index first, count;
  Index columns;  // count in whole vectors
};

/// All units, cut into shares of whole vectors, and each share into blocks.
template <typename T>
struct UnitCut {
  Index width;  // D
  Index shares = 1;
  Index vectors_of_block = 1;  // at most

  Index vectors() const { return (width + unit_lanes<T>() - 1) / unit_lanes<T>(); }
  Index columns() const { return vectors() * unit_lanes<T>(); }
  Index blocks(Index share) const {
    return (share_begin(share + 1) - share_begin(share) + vectors_of_block - 1) / vectors_of_block;
  }
  /// Block i of a share; blocks are of nearly equal size.
  UnitBlock block(Index share, Index i) const {
    const Index begin = share_begin(share), n = share_begin(share + 1) - begin;
    const Index from = begin + n * i / blocks(share), to = begin + n * (i + 1) / blocks(share);
    const Index first = from * unit_lanes<T>(), columns = (to - from) * unit_lanes<T>();
    return {first, std::min(columns, width - first), columns};
  }

 private:
  Index share_begin(Index share) const { return vectors() * share / shares; }
};

}  // namespace seqbench
