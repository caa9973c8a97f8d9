// What one attention layer computed, kept for reading: of each sequence and head Q, K, V, the
// scores S = Q·Kᵀ/√d_k and the weights P = softmax(S), by the formula of scaled_dot_product.h and
// in double precision. And the means to ask what a weight is worth: keys can be hidden
// from every query, or from one.
#pragma once

#include <vector>

#include "attention/scaled_dot_product.h"
#include "core/tensor.h"

namespace seqbench {

/// Of one sequence and head.
struct AttentionMap {
  Tensor<double> q, k, v;          // [T, d_k]
  Tensor<double> scores, weights;  // S, P [T, T]: a row for each query. A key that a query does
                                   // not see has the score −∞ and the weight 0
};

/// Given to the attention layers of a model, which then run the naive kernel.
struct AttentionWatch {
  HiddenKeys hidden;
  bool keeps_maps = true;
  std::vector<AttentionMap> maps;  // appended by every forward pass: layer by layer, in each B·H
                                   // of them
};

/// Sequence b, head h of a problem.
template <typename T>
AttentionMap attention_map(const AttentionProblem<T>& problem, Index b, Index h);

}  // namespace seqbench
