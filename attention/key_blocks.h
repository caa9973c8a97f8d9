// Fused attention over keys that come in blocks, call after call: what a ring of ranks does, each
// of which holds some of the keys at a time (Liu et al. 2023, "Ring Attention", sec. 3).
//
// Between two blocks the online softmax (scaled_dot_product.h) needs no more than this: (m, l) of
// each query, in the workspace, and O before it is divided, Σ e^((s − m)/√d_k)·v. Backward takes
// (m, l) and O of all keys, from which P and rowsum(dO ∘ O) follow: so each block gets its dK and
// dV and gives its part of dQ without the others.
//
//   forward    the block with `begins` first, then the others in any order, then finish_rows()
//   backward   the block with `begins` first, then the others in any order
//
// A block is seen as a whole or, where it holds the queries' own keys, as causality says. That is
// enough for the balanced shares of a causal sequence, whose blocks lie wholly before or behind a
// query but for its own ("zig-zag": harness/ranks/ring_attention.h).
//
// Cost: 4·B·H·Q·K·d_k FLOPs forward and 10 backward for Q queries and K keys that they meet. Beside
// a problem with all of its keys, O and dQ are read and written once more for each block.
#pragma once

#include "attention/scaled_dot_product.h"
#include "core/tensor.h"
#include "core/thread_team.h"

namespace seqbench {

/// What a problem's k and v [B·`steps`, H·d_k] are. Queries [first_query, T) of each sequence meet
/// the first `keys` of its keys. All queries of a causal problem meet their own keys.
struct KeyBlock {
  Index steps = 0;  // of a sequence
  Index keys = 0;   // ≥ 1
  Index first_query = 0;
  bool begins = true;    // the first one: m, l, O, and in backward dQ, are assigned
  bool finishes = true;  // O is divided by l
};

/// The problem's own, and no others.
inline KeyBlock own_keys(const AttentionShape& shape) {
  return {.steps = shape.steps, .keys = shape.steps};
}

inline void assert_fits([[maybe_unused]] const KeyBlock& block,
                        [[maybe_unused]] const AttentionShape& shape) {
  assert(block.keys >= 1 && block.keys <= block.steps);
  assert(block.first_query >= 0 && block.first_query < shape.steps);
  assert(!shape.causal ||
         (block.keys == shape.steps && block.steps == shape.steps && block.first_query == 0));
}

/// The [steps, d_k] window of one sequence and one head in a block's k, v, dk or dv.
template <typename T>
MatrixView<T> keys_of(BlockedMatrixView<T> tensor, const KeyBlock& block, Index b, Index h) {
  return tensor.block(h).row_block(b * block.steps, block.steps);
}

/// As fused_workspace(), for blocks of up to shape.steps keys and as many queries.
template <typename T>
AttentionWorkspace<BufferShape> fused_block_workspace(const AttentionShape& shape, Pass pass,
                                                      int workers);

/// As fused_forward() with factors as they are: takes the queries' m, l and `output` on by a block.
template <typename T>
void fused_forward(const ThreadTeam& team, const AttentionProblem<T>& problem,
                   const KeyBlock& block, AttentionWorkspace<Tensor<T>>& workspace);

/// Divides `output` by l: after the last of several blocks.
template <typename T>
void finish_rows(const ThreadTeam& team, const AttentionProblem<T>& problem,
                 const AttentionWorkspace<Tensor<T>>& workspace);

/// As fused_backward() with factors as they are. The workspace and problem.output as forward and
/// finish_rows() left them. Assigns dk and dv of the keys that are met, no others', and adds to dq
/// of the queries that meet them, or assigns it where the block begins.
template <typename T>
void fused_backward(const ThreadTeam& team, const AttentionProblem<T>& problem,
                    const AttentionGradients<T>& gradients, const KeyBlock& block,
                    AttentionWorkspace<Tensor<T>>& workspace);

}  // namespace seqbench
