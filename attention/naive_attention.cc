// The formula of scaled_dot_product.h, one head after the other, nothing hidden.
#include "attention/scaled_dot_product.h"
#include "core/eigen_view.h"
#include "core/gemm.h"
#include "core/softmax.h"

namespace seqbench {
namespace {

/// P [T, T] of head number `head` = b·H + h.
template <typename T>
MatrixView<T> probabilities_of(AttentionWorkspace<Tensor<T>>& workspace, Index head, Index steps) {
  return {workspace.probabilities.data() + head * steps * steps, steps, steps};
}

/// The [T, d_k] window of the same head.
template <typename T>
MatrixView<T> head_of(BlockedMatrixView<T> tensor, const AttentionShape& shape, Index head) {
  return head_of(tensor, shape, head / shape.heads, head % shape.heads);
}

/// M [T, T] of the same head.
template <typename T>
MatrixView<const T> multipliers_of(const AttentionProblem<T>& problem, Index head) {
  const Index steps = problem.shape.steps;
  return {problem.weight_multipliers + head * steps * steps, steps, steps};
}

template <typename T>
MatrixView<T> scratch_of(AttentionWorkspace<Tensor<T>>& workspace, int worker, Index steps) {
  return {workspace.score_gradients.data() + worker * steps * steps, steps, steps};
}

/// `scratch` [T, T] is used where weights are dropped.
template <typename T>
void forward_head(const AttentionProblem<T>& problem, Index head, MatrixView<T> P,
                  MatrixView<T> scratch) {
  const auto& shape = problem.shape;
  const auto Q = head_of(problem.q, shape, head);
  const auto K = head_of(problem.k, shape, head);
  const auto V = head_of(problem.v, shape, head);
  const auto O = head_of(problem.output, shape, head);

  gemm_serial(Q, K, P, {.transpose_b = true});
  as_eigen(P) *= logit_scale<T>(shape.head_width);  // P holds S = Q·Kᵀ/√d_k so far
  if (problem.softmax) {
    hide_unseen_keys(problem, head / shape.heads, P);
    softmax_forward(P, P);
  } else {
    hide_unseen_keys(problem, head / shape.heads, P, T{0});
  }
  if (problem.weight_multipliers == nullptr) return gemm_serial(P, V, O);
  as_eigen(scratch) = as_eigen(P).cwiseProduct(as_eigen(multipliers_of(problem, head)));
  gemm_serial(scratch, V, O);
}

/// One head's [T, T] matrices of backward.
template <typename T>
struct HeadScores {
  MatrixView<const T> P;  // as forward left it
  MatrixView<T> dS;       // scratch
};

template <typename T>
void backward_head(const AttentionProblem<T>& problem, const AttentionGradients<T>& gradients,
                   Index head, const HeadScores<T>& scores) {
  const auto& shape = problem.shape;
  const auto& [P, dS] = scores;
  const auto Q = head_of(problem.q, shape, head);
  const auto K = head_of(problem.k, shape, head);
  const auto V = head_of(problem.v, shape, head);
  const auto dO = head_of(gradients.d_output, shape, head);

  const auto dV = head_of(gradients.dv, shape, head);
  if (problem.weight_multipliers == nullptr) {
    gemm_serial(P, dO, dV, {.transpose_a = true});
    gemm_serial(dO, V, dS, {.transpose_b = true});  // dS holds dP = dO·Vᵀ so far
  } else {
    const auto M = as_eigen(multipliers_of(problem, head));
    as_eigen(dS) = as_eigen(P).cwiseProduct(M);
    gemm_serial(dS, dO, dV, {.transpose_a = true});
    gemm_serial(dO, V, dS, {.transpose_b = true});
    as_eigen(dS).array() *= M.array();  // dP = (dO·Vᵀ) ∘ M
  }
  if (problem.softmax) {
    softmax_backward(P, dS, dS);
  } else {
    hide_unseen_keys(problem, head / shape.heads, dS, T{0});
  }
  as_eigen(dS) *= logit_scale<T>(shape.head_width);
  gemm_serial(dS, K, head_of(gradients.dq, shape, head));
  gemm_serial(dS, Q, head_of(gradients.dk, shape, head), {.transpose_a = true});
}

}  // namespace

AttentionWorkspace<BufferShape> naive_workspace(const AttentionShape& shape, Pass pass,
                                                int workers) {
  AttentionWorkspace<BufferShape> workspace;
  workspace.probabilities = {shape.batch * shape.heads, shape.steps, shape.steps};
  if (pass == Pass::kTrain) workspace.score_gradients = {workers, shape.steps, shape.steps};
  return workspace;
}

template <typename T>
void naive_forward(const ThreadTeam& team, const AttentionProblem<T>& problem,
                   AttentionWorkspace<Tensor<T>>& workspace) {
  const auto& shape = problem.shape;
  team.for_each_task(shape.batch * shape.heads, [&](Index head, int worker) {
    forward_head(problem, head, probabilities_of(workspace, head, shape.steps),
                 problem.weight_multipliers != nullptr ? scratch_of(workspace, worker, shape.steps)
                                                       : MatrixView<T>());
  });
}

template <typename T>
void naive_backward(const ThreadTeam& team, const AttentionProblem<T>& problem,
                    const AttentionGradients<T>& gradients,
                    AttentionWorkspace<Tensor<T>>& workspace) {
  const auto& shape = problem.shape;
  team.for_each_task(shape.batch * shape.heads, [&](Index head, int worker) {
    backward_head<T>(problem, gradients, head,
                     {.P = probabilities_of(workspace, head, shape.steps),
                      .dS = scratch_of(workspace, worker, shape.steps)});
  });
}

#define SEQBENCH_INSTANTIATE(T)                                                  \
  template void naive_forward<T>(const ThreadTeam&, const AttentionProblem<T>&,  \
                                 AttentionWorkspace<Tensor<T>>&);                \
  template void naive_backward<T>(const ThreadTeam&, const AttentionProblem<T>&, \
                                  const AttentionGradients<T>&, AttentionWorkspace<Tensor<T>>&);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
