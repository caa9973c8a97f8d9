// Dropout in its inverted form (Srivastava et al. 2014, sec. 10; nn.Dropout): in training each
// element is 0 with probability p and else multiplied by 1/(1 − p); otherwise nothing happens.
#pragma once

#include <span>

#include "core/random.h"

namespace seqbench {

/// What the layers of a model drop, and where they draw it from.
struct Dropout {
  double probability = 0;    // p, in [0, 1)
  Random* random = nullptr;  // null outside of training

  bool drops() const { return probability > 0 && random != nullptr; }
};

/// Assigns what a pass multiplies its elements by, drawn in order: 0 or 1/(1 − p), p to a precision
/// of 2⁻¹⁶. The dropout has to drop.
template <typename T>
void draw_multipliers(const Dropout& dropout, std::span<T> multipliers);

}  // namespace seqbench
