// The affine map of nn.Linear on the rows of a matrix.
//
//   y = x·Wᵀ + b        dx = dy·W,   dW = dyᵀ·x,   db = Σ_rows dy        b may be left out
//
// y and dx may be handed out in blocks of columns; as_one_block() makes a plain matrix of them one.
//
// Cost for x [N, I], y [N, O]: 2·N·I·O FLOPs forward, 4·N·I·O backward, all in core/gemm.h.
#pragma once

#include <span>

#include "core/gemm_options.h"
#include "core/tensor.h"
#include "core/thread_team.h"

namespace seqbench {

template <typename T>
struct LinearForward {
  MatrixView<const T> x;       // [N, I]
  MatrixView<const T> weight;  // W [O, I]
  std::span<const T> bias;     // b [O], or empty: none
  BlockedMatrixView<T> y;      // [N, O], assigned; must not overlap x
  Factors factors = Factors::kAsTheyAre;
};

template <typename T>
struct LinearBackward {
  MatrixView<const T> x;       // [N, I], as in forward
  MatrixView<const T> weight;  // W [O, I]
  MatrixView<const T> dy;      // [N, O]
  BlockedMatrixView<T> dx;     // [N, I], assigned; may be x, must not overlap dy
  MatrixView<T> dweight;       // dW [O, I], assigned
  std::span<T> dbias;          // db [O], assigned, or empty: none
  Factors factors = Factors::kAsTheyAre;
};

template <typename T>
void linear_forward(const ThreadTeam& team, const LinearForward<T>& arguments);

template <typename T>
void linear_backward(const ThreadTeam& team, const LinearBackward<T>& arguments);

}  // namespace seqbench
