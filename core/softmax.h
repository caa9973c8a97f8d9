// Softmax over the rows of a matrix.
//
//   p_j = e^{x_j − m} / Σ_k e^{x_k − m},   m = max_k x_k
//
// Subtracting the row's maximum changes nothing in exact arithmetic and keeps every exponential in
// [0, 1], so that logits of any size neither overflow nor lose the largest probability.
// Backward (the O(n) form; the Jacobian diag(p) − p·pᵀ is never built):
//
//   dx = p ∘ (dp − Σ_k p_k·dp_k)
//
// Cost for [N, n]: N·n exponentials and some 4·N·n FLOPs; two reads and two writes of the row.
#pragma once

#include <span>
#include <type_traits>

#include "core/tensor.h"

namespace seqbench {

/// p [N, n] = softmax of each row of x [N, n], n ≥ 1. p may be x. Elements of −∞ get probability 0;
/// a row of nothing but −∞ becomes NaN, as in PyTorch.
template <typename T>
void softmax_forward(MatrixView<const std::type_identity_t<T>> x, MatrixView<T> p);

/// Assigns dx [N, n] from the forward's p and from dp [N, n]. dx may be dp.
template <typename T>
void softmax_backward(MatrixView<const std::type_identity_t<T>> p,
                      MatrixView<const std::type_identity_t<T>> dp, MatrixView<T> dx);

/// The same of one row, p and x of n ≥ 1 elements. Returns log Σ_j e^{x_j}, which is
/// m + log Σ_j e^{x_j − m}.
template <typename T>
T softmax_forward(std::span<const std::type_identity_t<T>> x, std::span<T> p);

}  // namespace seqbench
