#include "attention/few_queries.h"

#include <algorithm>

#include "core/elementwise.h"
#include "core/parts.h"
#include "core/register_block.h"
#include "core/softmax.h"
#include "core/transpose.h"

namespace seqbench {
namespace {

/// One head of one sequence, and its scratch.
template <typename T>
struct HeadTask {
  Part queries;                     // of all A
  Index first_token;                // of the sequence
  MatrixView<T> probabilities;      // P [A_b, T]
  MatrixView<T> gradient;           // S or dP, then dS [A_b, T]
  MatrixView<T> transposed_scores;  // Sᵀ or dPᵀ [T, A_b]
  MatrixView<T> transposed_rows;    // Qᵀ or dOᵀ [d_k, A_b]
};

template <typename T>
HeadTask<T> head_task(const FewQueries<T>& problem, Index b, Index h) {
  const auto& [B, steps, H, d_k, causal, factors] = problem.shape;
  const auto place = [&](Index token) {
    return std::ranges::lower_bound(problem.rows, token) - problem.rows.begin();
  };
  const Index first = place(b * steps), count = place((b + 1) * steps) - first;
  const Index A = static_cast<Index>(problem.rows.size());
  T* const scratch = problem.scratch + (h * A + first) * (3 * steps + 2 * d_k);
  return {.queries = {first, count},
          .first_token = b * steps,
          .probabilities = {scratch, count, steps},
          .gradient = {scratch + count * steps, count, steps},
          .transposed_scores = {scratch + 2 * count * steps, steps, count},
          .transposed_rows = {scratch + 3 * count * steps, d_k, count}};
}

/// to [A_b, T] = rows [A_b, d_k]·keysᵀ: transposed at either end, since the queries are fewer than
/// the keys.
template <typename T>
void multiply_keys(const HeadTask<T>& task, MatrixView<const T> rows, MatrixView<const T> keys,
                   MatrixView<T> to) {
  transpose<T>(rows, task.transposed_rows);
  multiply_blocks<T>(keys, task.transposed_rows, task.transposed_scores, assign<T>());
  transpose<T>(task.transposed_scores, to);
}

template <typename T>
MatrixView<T> rows_of_queries(BlockedMatrixView<T> tensor, Index h, Part queries) {
  return tensor.block(h).row_block(queries.first, queries.count);
}

template <typename T>
void attend_head(const FewQueries<T>& problem, Index b, Index h) {
  const HeadTask<T> task = head_task(problem, b, h);
  if (task.queries.count == 0) return;
  const MatrixView<const T> k = head_of(problem.k, problem.shape, b, h),
                            v = head_of(problem.v, problem.shape, b, h);
  const MatrixView<T> p = task.probabilities;
  multiply_keys<T>(task, rows_of_queries(problem.q, h, task.queries), k, p);
  scale(p, logit_scale<T>(problem.shape.head_width));
  for (Index a = 0; problem.shape.causal && a < p.rows; ++a) {
    const Index token = problem.rows[std::size_t(task.queries.first + a)] - task.first_token;
    std::fill(p.row(a) + token + 1, p.row(a) + p.cols, -std::numeric_limits<T>::infinity());
  }
  softmax_forward<T>(p, p);
  multiply_blocks<T>(MatrixView<const T>(p), v, rows_of_queries(problem.output, h, task.queries),
                     assign<T>());
}

/// Undoes attend_head: dV = Pᵀ·dO, dP = dO·Vᵀ, dS by the softmax, dQ = dS·K, dK = dSᵀ·Q.
template <typename T>
void attend_head_backward(const FewQueries<T>& problem, const AttentionGradients<T>& gradients,
                          Index b, Index h) {
  const HeadTask<T> task = head_task(problem, b, h);
  const MatrixView<T> dk = head_of(gradients.dk, problem.shape, b, h);
  const MatrixView<T> dv = head_of(gradients.dv, problem.shape, b, h);
  const MatrixView<const T> d_output = rows_of_queries(gradients.d_output, h, task.queries);
  const MatrixView<const T> k = head_of(problem.k, problem.shape, b, h),
                            v = head_of(problem.v, problem.shape, b, h);
  const MatrixView<const T> p = task.probabilities;
  const MatrixView<T> ds = task.gradient;
  multiply_blocks<T>(transposed(p), d_output, dv, assign<T>());
  if (task.queries.count > 0) {
    multiply_keys<T>(task, d_output, v, ds);
    softmax_backward<T>(p, ds, ds);
    scale(ds, logit_scale<T>(problem.shape.head_width));
    multiply_blocks<T>(MatrixView<const T>(ds), k, rows_of_queries(gradients.dq, h, task.queries),
                       assign<T>());
  }
  multiply_blocks<T>(transposed(MatrixView<const T>(ds)),
                     rows_of_queries(problem.q, h, task.queries), dk, assign<T>());
}

}  // namespace

template <typename T>
void few_queries_forward(const ThreadTeam& team, const FewQueries<T>& problem) {
  const Index H = problem.shape.heads;
  team.for_each_task(problem.shape.batch * H,
                     [&](Index task, int) { attend_head(problem, task / H, task % H); });
}

template <typename T>
void few_queries_backward(const ThreadTeam& team, const FewQueries<T>& problem,
                          const AttentionGradients<T>& gradients) {
  const Index H = problem.shape.heads;
  team.for_each_task(problem.shape.batch * H, [&](Index task, int) {
    attend_head_backward(problem, gradients, task / H, task % H);
  });
}

#define SEQBENCH_INSTANTIATE(T)                                                  \
  template void few_queries_forward<T>(const ThreadTeam&, const FewQueries<T>&); \
  template void few_queries_backward<T>(const ThreadTeam&, const FewQueries<T>&, \
                                        const AttentionGradients<T>&);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
