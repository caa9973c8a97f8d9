// Where a token stands: attention itself does not see the order of its input.
//
//   sinusoidal   e[t, 2i] = sin(t/10000^(2i/D))   e[t, 2i + 1] = cos(t/10000^(2i/D))
//   learned      e [T_max, D] is a parameter;     de[t] = Σ_b dx[b, t]
//
// (Vaswani et al. 2017, sec. 3.5; learned: Gehring et al. 2017, sec. 3.1). Either is added to x.
// Cost: B·T·D FLOPs and one pass over memory in each direction.
#pragma once

#include <type_traits>

#include "core/tensor.h"
#include "core/thread_team.h"

namespace seqbench {

/// e [steps, width], with the wave of each pair computed in double; an odd width ends with a sine.
template <typename T>
Tensor<T> sinusoidal_positions(Index steps, Index width);

/// x[b, t] += e[t] for x [B, T, D] and e [≥ T, D]. A token at position t, as decode has it, is a
/// sequence of one step and e.row_block(t, 1).
template <typename T>
void add_positions(const ThreadTeam& team, MatrixView<const std::type_identity_t<T>> e,
                   SequenceView<T> x);

/// Assigns de [≥ T, D] = Σ_b dx[b, t], summed in the order of b, and 0 for positions from T on. The
/// gradient of add_positions' x is dx itself.
template <typename T>
void add_positions_backward(const ThreadTeam& team, SequenceView<const std::type_identity_t<T>> dx,
                            MatrixView<T> de);

}  // namespace seqbench
