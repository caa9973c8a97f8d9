// The rectifier: y = max(x, 0); dx = dy where y > 0, else 0 (PyTorch's choice at x = 0).
#pragma once

#include <span>
#include <type_traits>

namespace seqbench {

/// Assigns y from x, of equal size. y may be x.
template <typename T>
void relu_forward(std::span<const std::type_identity_t<T>> x, std::span<T> y);

/// Assigns dx from the forward's y and from dy, all of equal size. dx may be dy.
template <typename T>
void relu_backward(std::span<const std::type_identity_t<T>> y,
                   std::span<const std::type_identity_t<T>> dy, std::span<T> dx);

}  // namespace seqbench
