// Causal depthwise convolution: each channel mixes its own last K values.
//
//   y[b, t, c] = bias[c] + Σ_{k<K} w[k, c]·x[b, t − k, c]         x = 0 before the first step
//
// as nn.Conv1d(D, D, K, groups=D, padding=K − 1) cut to T steps, whose weight [D, 1, K] holds the
// taps the other way round: w[k, c] is its [c, 0, K − 1 − k]. With K = 3 it lets a sequence layer
// compare neighbours, which associative recall needs (Arora et al. 2024, "Based", sec. 4).
//
//   dx[b, t] = Σ_k w[k]∘dy[b, t + k]     dw[k] = Σ_{b,t} dy[b, t]∘x[b, t − k]     dbias = Σ dy
//
// Cost: 2·K·B·T·D FLOPs forward, twice that backward; bound by memory.
#pragma once

#include "core/tensor.h"
#include "core/thread_team.h"

namespace seqbench {

template <typename T>
struct CausalConvolutionForward {
  SequenceView<const T> x;     // [B, T, D]
  MatrixView<const T> weight;  // w [K, D], K ≥ 1
  std::span<const T> bias;     // [D]
  SequenceView<T> y;           // [B, T, D], assigned; must not overlap x
};

template <typename T>
struct CausalConvolutionBackward {
  SequenceView<const T> x;     // [B, T, D], as in forward
  MatrixView<const T> weight;  // w [K, D]
  SequenceView<const T> dy;    // [B, T, D]
  SequenceView<T> dx;          // [B, T, D], assigned; must not overlap dy or x
  MatrixView<T> dweight;       // dw [K, D], assigned
  std::span<T> dbias;          // [D], assigned
};

/// Parallel over the sequences.
template <typename T>
void causal_convolution_forward(const ThreadTeam& team,
                                const CausalConvolutionForward<T>& arguments);

/// Parallel over the sequences, then over the taps; sums run in the order of the sequences.
template <typename T>
void causal_convolution_backward(const ThreadTeam& team,
                                 const CausalConvolutionBackward<T>& arguments);

}  // namespace seqbench
