// Scaled dot-product attention: the formula, one problem's tensors, and the two kernels for it.
//
//   S = Q·Kᵀ/√d_k        P = softmax(S)        O = P·V
//
// for each sequence and head (Vaswani et al. 2017, eq. 1). Causal: query i sees keys j ≤ i, that is
// S_ij = −∞ for j > i. Backward, from dO:
//
//   dV = Pᵀ·dO     dP = dO·Vᵀ     dS = P ∘ (dP − rowsum(P ∘ dP))
//   dQ = dS·K/√d_k               dK = dSᵀ·Q/√d_k
//
// naive  keeps the probabilities P [B, H, T, T] in memory and reads like the formula.
// fused  walks over tiles of S that stay in cache. The softmax is kept online: per row the running
//        maximum m and sum l = Σ e^(s − m), older results being rescaled when m moves (Milakov &
//        Gimelshein 2018, alg. 3; Rabe & Staats 2021). Backward recomputes each tile of P from the
//        row's (m, l) and uses rowsum(P ∘ dP) = rowsum(dO ∘ O) (Dao et al. 2022, sec. 3.1, B.4).
//        The pair stands for the log-sum-exp m + log l: added up, the sum would be rounded to
//        eps·|m|, which for logits of 10⁴ is 10⁻³ of each recomputed probability.
//
// Cost by the convention of docs/architecture.md: forward 4·B·T²·H·d_k FLOPs, causal
// 2·B·T·(T + 1)·H·d_k, and B·H·T² exponentials (causal half of them); backward twice the forward's
// FLOPs, of which naive does 8·B·T²·H·d_k and fused 10 for the recomputed S. Memory: see the
// workspaces below.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "core/buffers.h"
#include "core/gemm_options.h"
#include "core/sequence_layer.h"
#include "core/tensor.h"
#include "core/thread_team.h"

namespace seqbench {

struct AttentionShape {
  Index batch = 1;       // B
  Index steps = 1;       // T
  Index heads = 1;       // H
  Index head_width = 1;  // d_k
  bool causal = false;
  Factors factors = Factors::kAsTheyAre;  // of the products; kBfloat16 in the fused kernel alone
};

/// Keys that are taken from the queries' sight, to ask what they are worth. A query must keep a key
/// that it sees.
struct HiddenKeys {
  std::vector<bool> keys;   // [B·T]: true for those that are hidden; empty: none
  std::vector<Index> from;  // [B]: in each sequence the one query that they are hidden from;
                            // empty: from every query
};

/// Tensors are [B·T, H·d_k] with a block of columns for each head: sequence b in rows [b·T, (b +
/// 1)·T) of every block. The blocks may be columns of one matrix (in_blocks) or matrices of their
/// own (blocks_over), in which the fast kernel finds its rows side by side.
template <typename T>
struct AttentionProblem {
  AttentionShape shape;
  BlockedMatrixView<const T> q, k, v;
  BlockedMatrixView<T>
      output;  // O: assigned by forward, read by backward; must not overlap q, k, v
  const HiddenKeys* hidden = nullptr;  // naive only; null: none
  Index window = 0;     // naive only: query i sees keys j with |i − j| < window; 0: no bound
  bool softmax = true;  // naive only: else P = S, 0 where a query does not see a key
  const T* weight_multipliers = nullptr;  // [B·H, T, T], naive only: dropout's, O = (P ∘ M)·V,
                                          // with a workspace for training; null: none
};

/// [B·T, H·d_k] each, as above.
template <typename T>
struct AttentionGradients {
  BlockedMatrixView<const T> d_output;
  BlockedMatrixView<T> dq, dk, dv;  // assigned; must overlap neither each other nor an input
};

/// The [T, d_k] window of one sequence and one head.
template <typename T>
MatrixView<T> head_of(BlockedMatrixView<T> tensor, const AttentionShape& shape, Index b, Index h) {
  return tensor.block(h).row_block(b * shape.steps, shape.steps);
}

/// 1/√d_k.
template <typename T>
T logit_scale(Index head_width) {
  return 1 / std::sqrt(static_cast<T>(head_width));
}

/// S_ij = `unseen` where query i does not see key j: later keys, those outside of its window, and
/// those hidden. −∞ makes softmax give it probability 0. S [T, T] of a head of sequence b, whose
/// type may differ from the problem's.
template <typename T, typename Score>
void hide_unseen_keys(const AttentionProblem<T>& problem, Index b, MatrixView<Score> scores,
                      Score unseen = -std::numeric_limits<Score>::infinity()) {
  const HiddenKeys* const hidden = problem.hidden;
  const auto hides_from = [&](Index i) {
    if (hidden == nullptr || hidden->keys.empty()) return false;
    return hidden->from.empty() || hidden->from[std::size_t(b)] == i;
  };
  for (Index i = 0; i < scores.rows; ++i) {
    if (problem.shape.causal) std::fill(scores.row(i) + i + 1, scores.row(i) + scores.cols, unseen);
    if (const Index w = problem.window; w > 0) {
      std::fill_n(scores.row(i), std::max<Index>(i - w + 1, 0), unseen);
      std::fill(scores.row(i) + std::min(i + w, scores.cols), scores.row(i) + scores.cols, unseen);
    }
    if (!hides_from(i)) continue;
    for (Index j = 0; j < scores.cols; ++j) {
      if (hidden->keys[std::size_t(b * scores.cols + j)]) scores(i, j) = unseen;
    }
  }
}

/// What a kernel keeps between forward and backward, and its scratch; `Buffer` as core/buffers.h
/// says.
template <typename Buffer>
struct AttentionWorkspace {
  Buffer probabilities;    // naive: P [B·H, T, T]
  Buffer score_gradients;  // naive, train: dS, or P ∘ M, [workers, T, T]

  // fused; T' is T in whole query tiles, Q the queries of a tile
  Buffer row_max;          // m [B·H, T']
  Buffer row_sum;          // l [B·H, T']
  Buffer tile_scratch;     // tiles of S, dP, Q, O, dO, dQ [workers, elements]
  Buffer query_gradients;  // train: dQᵀ of each of several chunks of keys
                           // [B·H, chunks, T'/Q, d_k, Q]
  // in bfloat16, pairs (core/bfloat16.h)
  Buffer rounded_queries;  // Q, in backward V [B·H, T, ⌈d_k/2⌉]
  Buffer rounded_keys;     // K likewise
  Buffer rounded_values;   // V, in backward K [B·H, ⌈T/2⌉, d_k]
  Index chunk_keys = 0;    // train: keys whose dK and dV belong to one task of backward

  std::array<Buffer*, 9> buffers() {
    return {&probabilities,   &score_gradients, &row_max,      &row_sum,       &tile_scratch,
            &query_gradients, &rounded_queries, &rounded_keys, &rounded_values};
  }
};

/// O(B·H·T²) elements: P, and a T×T scratch per worker for `pass` kTrain.
AttentionWorkspace<BufferShape> naive_workspace(const AttentionShape& shape, Pass pass,
                                                int workers);
/// O(B·T·H·d_k) elements and some tiles per worker, never a T×T matrix. T is the scalar whose
/// vector width the tiles follow.
template <typename T>
AttentionWorkspace<BufferShape> fused_workspace(const AttentionShape& shape, Pass pass,
                                                int workers);

/// Assigns problem.output; leaves in the workspace what backward needs. The problem may be smaller
/// than the shape that the workspace was made for, and the team smaller than its workers. Parallel
/// over B × H.
template <typename T>
void naive_forward(const ThreadTeam& team, const AttentionProblem<T>& problem,
                   AttentionWorkspace<Tensor<T>>& workspace);
/// Assigns dq, dk, dv; the workspace as forward left it, made for Pass::kTrain.
template <typename T>
void naive_backward(const ThreadTeam& team, const AttentionProblem<T>& problem,
                    const AttentionGradients<T>& gradients,
                    AttentionWorkspace<Tensor<T>>& workspace);

/// As naive_forward, with factors in bfloat16 too: Q, K and V are rounded first, P tile by tile; m,
/// l and O are sums in float of what is not. Parallel over B × H × groups of query tiles.
template <typename T>
void fused_forward(const ThreadTeam& team, const AttentionProblem<T>& problem,
                   AttentionWorkspace<Tensor<T>>& workspace);
/// As naive_backward, with factors in bfloat16 too: dO, P and dS are rounded besides. Parallel over
/// B × H × chunks of keys. The chunks follow from the shape that
/// the workspace was made for, sums are folded in a fixed order: bit-equal for any team.
template <typename T>
void fused_backward(const ThreadTeam& team, const AttentionProblem<T>& problem,
                    const AttentionGradients<T>& gradients,
                    AttentionWorkspace<Tensor<T>>& workspace);

}  // namespace seqbench
