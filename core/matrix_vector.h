// y [M] = A [M, K]·x [K]: the product of a single row of tokens, which reads A once and is bound by
// memory. Cost: 2·M·K FLOPs, M·K elements read.
//
// Four rows of A at a time, the lanes of a vector along K, so that A is read as it lies; the four
// sums across lanes share their shuffles. An element of y is the same whatever rows stand around
// its own.
#pragma once

#include "core/tensor.h"

namespace seqbench {

/// Assigns y [M], which must overlap neither A nor x; on the calling thread.
template <typename T>
void matrix_vector(MatrixView<const std::type_identity_t<T>> a, const std::type_identity_t<T>* x,
                   T* y);

}  // namespace seqbench
