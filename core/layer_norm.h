// Layer normalisation of the rows of a matrix (Ba, Kiros & Hinton 2016, eq. 4), as nn.LayerNorm.
//
//   x̂ = (x − μ)·r,   μ = mean(x),   r = 1/√(var(x) + ε),   y = γ∘x̂ + β        β may be left out
//
// var is the biased variance over the row's D elements. Backward, with dx̂ = γ∘dy:
//
//   dx = r·(dx̂ − mean(dx̂) − x̂·mean(dx̂∘x̂)),   dγ = Σ_rows dy∘x̂,   dβ = Σ_rows dy
//
// Cost for [N, D]: some 8·N·D FLOPs forward, 14·N·D backward; bound by memory.
#pragma once

#include <span>

#include "core/tensor.h"

namespace seqbench {

constexpr double kLayerNormEpsilon = 1e-5;  // ε, PyTorch's default

template <typename T>
struct LayerNormForward {
  MatrixView<const T> x;      // [N, D]
  std::span<const T> weight;  // γ [D]
  std::span<const T> bias;    // β [D], or empty: none
  MatrixView<T> y;            // [N, D], assigned; may be x, unless backward follows
  std::span<T> mean;          // μ [N], assigned; goes unchanged to backward
  std::span<T> rstd;          // r [N], assigned; goes unchanged to backward
};

template <typename T>
struct LayerNormBackward {
  MatrixView<const T> x;      // [N, D], as in forward
  std::span<const T> weight;  // γ [D]
  std::span<const T> mean;    // μ [N], from forward
  std::span<const T> rstd;    // r [N], from forward
  MatrixView<const T> dy;     // [N, D]
  MatrixView<T> dx;           // [N, D], assigned; may be dy
  std::span<T> dweight;       // dγ [D], assigned
  std::span<T> dbias;         // dβ [D], assigned, or empty: none
};

template <typename T>
void layer_norm_forward(const LayerNormForward<T>& arguments);

template <typename T>
void layer_norm_backward(const LayerNormBackward<T>& arguments);

}  // namespace seqbench
