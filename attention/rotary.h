// Rotary positions (Su et al. 2021, eq. 15): queries and keys are turned by an angle that grows
// with their position, so that a score depends on how far apart the two stand and on nothing else
// of where they are:
//
//   [x₂ᵢ, x₂ᵢ₊₁] ← [x₂ᵢ·cos tθᵢ − x₂ᵢ₊₁·sin tθᵢ,  x₂ᵢ·sin tθᵢ + x₂ᵢ₊₁·cos tθᵢ]
//   θᵢ = 10000^(−2i/d_k),   ⟨R_t q, R_s k⟩ = ⟨q, R_(s−t) k⟩
//
// for each head and each pair of its columns; an odd d_k leaves the last column as it is. Backward
// turns the gradients of the turned vectors back: R is orthogonal. Cost: 3·B·T·D FLOPs for each of
// Q and K and one pass over them, in either direction.
#pragma once

#include <type_traits>

#include "core/tensor.h"
#include "core/thread_team.h"

namespace seqbench {

/// cos tθᵢ and sin tθᵢ side by side, assigned to `angles` [steps, 2·⌊d_k/2⌋] for t = first, first +
/// 1, …; computed in double.
template <typename T>
void fill_rotary_angles(Index head_width, MatrixView<T> angles, Index first = 0);

enum class Turn {
  kForward,  // R_t x
  kBack,     // R_tᵀ x
};

struct RotarySpan {
  Index batch = 1;  // B
  Index steps = 1;  // T
  Index first = 0;  // position of each sequence's first step
  Turn turn = Turn::kForward;
};

/// Turns every head of x [B·T, H·d_k] in place, sequence b in rows [b·T, (b + 1)·T), by the angles
/// [≥ first + T, 2·⌊d_k/2⌋]. Parallel over B × H.
template <typename T>
void rotate_heads(const ThreadTeam& team, MatrixView<const std::type_identity_t<T>> angles,
                  const RotarySpan& span, BlockedMatrixView<T> x);

}  // namespace seqbench
