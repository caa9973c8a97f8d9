// The pointwise part of a step: gates of every sequence of a batch, one after the other or over the
// team.
#pragma once

#include "core/tensor.h"
#include "core/thread_team.h"

namespace seqbench {

/// Below this many gate elements (some 10 µs of exponentials) waking the team for a pointwise pass
/// costs more than it gains.
inline constexpr Index kSerialElements = 1 << 14;

/// Calls body(b) for each of `batch` sequences; over the team where the `gates` elements of each
/// are worth it.
template <typename Body>
void for_each_sequence(const ThreadTeam& team, Index batch, Index gates, const Body& body) {
  const Index rows = batch * gates < kSerialElements ? batch : 1;  // of a task
  team.for_each_task(batch / rows, [&](Index task, int) {
    for (Index b = task * rows; b < (task + 1) * rows; ++b) body(b);
  });
}

}  // namespace seqbench
