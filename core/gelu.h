// The Gaussian error linear unit in its tanh form (Hendrycks & Gimpel 2016, sec. 2; F.gelu with
// approximate="tanh"):
//
//   y = x/2·(1 + tanh u),  u = √(2/π)·(x + 0.044715·x³)
//
// Since (1 + tanh u)/2 = σ(2u) =: s, this is y = x·s, and dx = dy·(s + x·s·(1 − s)·2·du/dx).
#pragma once

#include <span>
#include <type_traits>

namespace seqbench {

/// Assigns y from x, of equal size. y may be x.
template <typename T>
void gelu_forward(std::span<const std::type_identity_t<T>> x, std::span<T> y);

/// Assigns dx from the forward's x, whose cube must be finite, and from dy, all of equal size. dx
/// may be dy.
template <typename T>
void gelu_backward(std::span<const std::type_identity_t<T>> x,
                   std::span<const std::type_identity_t<T>> dy, std::span<T> dx);

}  // namespace seqbench
