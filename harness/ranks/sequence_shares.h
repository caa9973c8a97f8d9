// Which steps of every sequence a rank has under the strategy `sequence`, and what it sends.
#pragma once

#include <string>
#include <vector>

#include "core/parts.h"
#include "core/sequence_layer.h"

namespace seqbench {

struct RankPlace {
  int rank = 0;   // 0 ≤ rank < ranks
  int ranks = 1;  // P

  int next() const { return (rank + 1) % ranks; }
  int previous() const { return before(1); }
  /// The rank that is `hops` ≤ P earlier on the ring.
  int before(int hops) const { return (rank + ranks - hops) % ranks; }
  bool is_first() const { return rank == 0; }
  bool is_last() const { return rank == ranks - 1; }
};

/// "2 steps for 3 ranks"; "" where each rank has a step.
std::string reason_against_steps(Index steps, int ranks);

/// One block of T ≥ P steps, of nearly equal length on every rank.
Part block_of_steps(Index steps, const RankPlace& place);

/// Chunk r and chunk 2P − 1 − r of 2P: an early one and a late one, so that under causality each
/// rank's queries see as many keys as any other's, up to a step of a chunk ("zig-zag": zhuzilin,
/// ring-flash-attention). The late one is left out where it has no step: T < 2P.
std::vector<Part> zig_zag_steps(Index steps, const RankPlace& place);

Index steps_in(const std::vector<Part>& parts);

/// What a rank sends in one pass, Pass::kTrain being forward and backward, but for the sums of the
/// parameters' gradients.
struct RankSends {
  double messages = 0;
  double bytes = 0;
};

}  // namespace seqbench
