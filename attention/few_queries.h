// Scaled dot-product attention of a few queries: those of the tokens where an output is wanted.
//
//   O_a = softmax(q_a·Kᵀ/√d_k)·V        scaled_dot_product.h, for A of the B·T queries
//
// A model that reads its last layer at some tokens alone needs no more of it. P [A, T] of each head
// is kept for backward, which is less than the inputs as long as a sequence has fewer than d_k such
// tokens.
//
// Cost: 4·A·T·H·d_k FLOPs forward, 8·A·T·H·d_k backward.
#pragma once

#include <span>

#include "attention/scaled_dot_product.h"

namespace seqbench {

template <typename T>
struct FewQueries {
  AttentionShape shape;             // steps: T keys; causal: a query sees keys up to its own token
  std::span<const Index> rows;      // [A] the queries' tokens among all B·T, ascending
  BlockedMatrixView<const T> q;     // [A, H·d_k]
  BlockedMatrixView<const T> k, v;  // [B·T, H·d_k]
  BlockedMatrixView<T> output;      // [A, H·d_k] assigned; must not overlap q, k, v
  T* scratch;  // few_queries_scratch() elements; goes unchanged from forward to backward
};

/// Elements.
inline double few_queries_scratch(const AttentionShape& shape, Index queries) {
  return double(shape.heads) * double(queries) *
         (3 * double(shape.steps) + 2 * double(shape.head_width));
}

/// Parallel over B × H.
template <typename T>
void few_queries_forward(const ThreadTeam& team, const FewQueries<T>& problem);

/// Assigns dk and dv [B·T, H·d_k], also of sequences without a query, and dq [A, H·d_k].
template <typename T>
void few_queries_backward(const ThreadTeam& team, const FewQueries<T>& problem,
                          const AttentionGradients<T>& gradients);

}  // namespace seqbench
