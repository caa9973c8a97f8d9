// Transposition of a small matrix: to = fromᵀ.
//
// Cost: one read and one write of each element and half a shuffle, in squares of one 16-byte
// vector; for matrices that fit the L1 or L2 cache.
#pragma once

#include <type_traits>

#include "core/bfloat16.h"
#include "core/tensor.h"

namespace seqbench {

/// Assigns to [C, R] from from [R, C]; they must not overlap.
template <typename T>
void transpose(MatrixView<const std::type_identity_t<T>> from, MatrixView<T> to);

/// Assigns to [⌈C/2⌉, R] from from [R, C], rounded: pairs of neighbours of a row of `from`.
void transpose(MatrixView<const float> from, MatrixView<Bfloat16Pair> to);

}  // namespace seqbench
