#include "attention/decode.h"

#include <algorithm>
#include <numbers>
#include <span>

#include "core/eigen_view.h"
#include "core/matrix_vector.h"
#include "core/parts.h"
#include "core/register_block.h"
#include "core/simd.h"

namespace seqbench {
namespace {

// Keys of a split: 512 KiB of keys and values at d_k = 64, some tens of µs, long against handing
// out a task and short against a context that is worth sharing. A multiple of every vector's lanes.
constexpr Index kSplitKeys = 1024;

template <typename T>
struct SplitResults {
  T* max;                 // m_c [splits]
  T* sum;                 // l_c [splits]
  MatrixView<T> outputs;  // o_c [splits, d_k]
};

/// What one query finds in the keys of one split.
template <typename T>
struct SplitTask {
  MatrixView<const T> q;     // [1, d_k]
  MatrixView<const T> k, v;  // [keys, d_k]
  MatrixView<T> scores;      // [1, keys], scratch
  T scale;                   // 1/√d_k
  T* max;                    // m_c, of unscaled logits, assigned
  T* sum;                    // l_c, assigned
  MatrixView<T> output;      // o_c [1, d_k], assigned
};

/// s becomes e^((s − max s)·scale). The difference comes first: it is exact near the maximum,
/// however large the logits are.
template <typename T>
void exponentiate(std::span<T> s, T m, T scale) {
  const T scale2 = scale * std::numbers::log2e_v<T>;
  for_each_vector<T>(static_cast<Index>(s.size()), [&](auto d, Index j) {
    const auto difference = hn::Sub(hn::LoadU(d, s.data() + j), hn::Set(d, m));
    hn::StoreU(exp2_of_nonpositive(d, hn::Mul(difference, hn::Set(d, scale2))), d, s.data() + j);
  });
}

template <typename T>
void attend_split(const SplitTask<T>& task) {
  matrix_vector<T>(task.k, task.q.data, task.scores.data);
  *task.max = as_eigen(task.scores).maxCoeff();
  exponentiate<T>({task.scores.data, static_cast<std::size_t>(task.scores.cols)}, *task.max,
                  task.scale);
  *task.sum = as_eigen(task.scores).sum();
  multiply_blocks<T>(MatrixView<const T>(task.scores), task.v, task.output, assign<T>());
}

/// o [1, d_k] = Σ_c w_c·o_c / Σ_c w_c·l_c, w_c = e^((m_c − m)·scale); m is of unscaled logits.
template <typename T>
void merge_splits(const SplitResults<T>& splits, T scale, MatrixView<T> output) {
  const T m = *std::max_element(splits.max, splits.max + splits.outputs.rows);
  T sum = 0;
  as_eigen(output).setZero();
  for (Index c = 0; c < splits.outputs.rows; ++c) {
    const T weight = std::exp((splits.max[c] - m) * scale);
    sum += weight * splits.sum[c];
    as_eigen(output).row(0) += weight * as_eigen(splits.outputs).row(c);
  }
  as_eigen(output) /= sum;
}

}  // namespace

DecodeWorkspace<BufferShape> decode_workspace(const AttentionShape& shape, Index capacity,
                                              int workers) {
  const Index heads = shape.batch * shape.heads, splits = parts_in(capacity, kSplitKeys);
  DecodeWorkspace<BufferShape> workspace;
  workspace.keys = {shape.batch, shape.heads, capacity, shape.head_width};
  workspace.values = workspace.keys;
  workspace.split_outputs = {heads, splits, shape.head_width};
  workspace.split_max = workspace.split_sum = {heads, splits};
  workspace.scores = {workers, kSplitKeys};
  return workspace;
}

template <typename T>
void append_to_cache(const ThreadTeam& team, const KeyValueCache<T>& cache,
                     const CacheAppend<T>& tokens) {
  const auto& shape = tokens.shape;
  team.for_each_task(shape.batch * shape.heads, [&](Index task, int) {
    const Index b = task / shape.heads, h = task % shape.heads;
    as_eigen(cache.keys_of(b, h, tokens.first, shape.steps)) =
        as_eigen(head_of(tokens.k, shape, b, h));
    as_eigen(cache.values_of(b, h, tokens.first, shape.steps)) =
        as_eigen(head_of(tokens.v, shape, b, h));
  });
}

template <typename T>
void decode_attention(const ThreadTeam& team, const KeyValueCache<T>& cache,
                      const DecodeProblem<T>& problem, DecodeWorkspace<Tensor<T>>& workspace) {
  const Index H = cache.heads, d_k = cache.head_width;
  const Index heads = problem.batch * H, splits = parts_in(problem.context, kSplitKeys);
  const T scale = logit_scale<T>(d_k);
  const auto of_head = [&](auto tensor, Index head) {
    return tensor.block(head % H).row_block(head / H, 1);
  };
  const auto results_of = [&](Index head) -> SplitResults<T> {
    return {.max = workspace.split_max.data() + head * splits,
            .sum = workspace.split_sum.data() + head * splits,
            .outputs = {workspace.split_outputs.data() + head * splits * d_k, splits, d_k}};
  };

  team.for_each_task(heads * splits, [&](Index task, int worker) {
    const Index head = task / splits, split = task % splits, first = split * kSplitKeys;
    const Index keys = std::min(kSplitKeys, problem.context - first);
    const SplitResults<T> results = results_of(head);
    attend_split<T>({.q = of_head(problem.q, head),
                     .k = cache.keys_of(head / H, head % H, first, keys),
                     .v = cache.values_of(head / H, head % H, first, keys),
                     .scores = {workspace.scores.data() + worker * kSplitKeys, 1, keys},
                     .scale = scale,
                     .max = results.max + split,
                     .sum = results.sum + split,
                     .output = results.outputs.row_block(split, 1)});
  });
  team.for_each_task(heads, [&](Index head, int) {
    merge_splits(results_of(head), scale, of_head(problem.output, head));
  });
}

#define SEQBENCH_INSTANTIATE(T)                                                 \
  template void append_to_cache<T>(const ThreadTeam&, const KeyValueCache<T>&,  \
                                   const CacheAppend<T>&);                      \
  template void decode_attention<T>(const ThreadTeam&, const KeyValueCache<T>&, \
                                    const DecodeProblem<T>&, DecodeWorkspace<Tensor<T>>&);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
