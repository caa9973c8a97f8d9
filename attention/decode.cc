#include "attention/decode.h"

#include <algorithm>
#include <numbers>
#include <span>

#include "core/eigen_view.h"
#include "core/matrix_vector.h"
#include "core/parts.h"
#include "core/register_block.h"
#include "core/simd.h"
#include "core/transpose.h"

namespace seqbench {
namespace {

// Keys of a split: 512 KiB of keys and values at d_k = 64, some tens of µs, long against handing
// out a task and short against a context that is worth sharing. A multiple of every vector's lanes.
constexpr Index kSplitKeys = 1024;

/// Elements of q and of e^(s − m) as factors of a rounded cache.
Index rounded_elements(Index head_width) {
  return elements_of_depth<Bfloat16Pair>(head_width) + elements_of_depth<Bfloat16Pair>(kSplitKeys);
}

template <typename T>
struct SplitResults {
  T* max;                 // m_c [splits]
  T* sum;                 // l_c [splits]
  MatrixView<T> outputs;  // o_c [splits, d_k]
};

/// What one query finds in the keys of one split.
template <typename T>
struct SplitTask {
  MatrixView<const T> q;    // [1, d_k]
  Index head, first, keys;  // which keys, among all B·H heads
  MatrixView<T> scores;     // [1, keys], scratch
  T scale;                  // 1/√d_k
  T* max;                   // m_c, of unscaled logits, assigned
  T* sum;                   // l_c, assigned
  MatrixView<T> output;     // o_c [1, d_k], assigned
  T* rounded;               // scratch of a rounded cache
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

/// Logits become e^(s − m_c), with m_c and l_c.
template <typename T>
void softmax_split(const SplitTask<T>& task) {
  *task.max = as_eigen(task.scores).maxCoeff();
  exponentiate<T>({task.scores.data, static_cast<std::size_t>(task.scores.cols)}, *task.max,
                  task.scale);
  *task.sum = as_eigen(task.scores).sum();
}

template <typename T>
void attend_split(const KeyValueCache<T>& cache, const SplitTask<T>& task) {
  const Index b = task.head / cache.heads, h = task.head % cache.heads;
  const MatrixView<const T> k = cache.keys_of(b, h, task.first, task.keys);
  const MatrixView<const T> v = cache.values_of(b, h, task.first, task.keys);
  matrix_vector<T>(k, task.q.data, task.scores.data);
  softmax_split(task);
  multiply_blocks<T>(MatrixView<const T>(task.scores), v, task.output, assign<T>());
}

/// The same with factors in bfloat16: q, the keys, e^(s − m_c) and the values.
void attend_split(const RoundedKeyValueCache& cache, const SplitTask<float>& task) {
  using Pair = Bfloat16Pair;
  constexpr Index kPanel = RoundedKeyValueCache::kPanelKeys;
  static_assert(kSplitKeys % kPanel == 0);
  const Index b = task.head / cache.heads, h = task.head % cache.heads;
  const Index depth = elements_of_depth<Pair>(cache.head_width);
  const MatrixView<Pair> q(elements_over<Pair>(task.rounded), 1, depth);
  round_along_rows(task.q, q);
  for (Index key = 0; key < task.keys; key += kPanel) {
    const Index keys = std::min(kPanel, task.keys - key);
    multiply_blocks<Pair>(MatrixView<const Pair>(q),
                          cache.key_panel(b, h, (task.first + key) / kPanel).column_block(0, keys),
                          task.scores.column_block(key, keys), assign<float>());
  }
  softmax_split(task);
  const MatrixView<Pair> p(q.data + depth, 1, elements_of_depth<Pair>(task.keys));
  round_along_rows(task.scores, p);
  multiply_blocks<Pair>(MatrixView<const Pair>(p), cache.value_pairs(b, h, task.first / 2, p.cols),
                        task.output, assign<float>());
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

/// What `attend_split` does of the cache, for every head and split, and what follows from all
/// splits.
template <typename Cache, typename T>
void attend(const ThreadTeam& team, const Cache& cache, const DecodeProblem<T>& problem,
            DecodeWorkspace<Tensor<T>>& workspace) {
  const Index H = cache.heads, d_k = cache.head_width;
  const Index heads = problem.batch * H, splits = parts_in(problem.context, kSplitKeys);
  const Index of_worker = workspace.rounded.size() == 0 ? 0 : rounded_elements(d_k);
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
    attend_split(cache, {.q = of_head(problem.q, head),
                         .head = head,
                         .first = first,
                         .keys = keys,
                         .scores = {workspace.scores.data() + worker * kSplitKeys, 1, keys},
                         .scale = scale,
                         .max = results.max + split,
                         .sum = results.sum + split,
                         .output = results.outputs.row_block(split, 1),
                         .rounded = workspace.rounded.data() + worker * of_worker});
  });
  team.for_each_task(heads, [&](Index head, int) {
    merge_splits(results_of(head), scale, of_head(problem.output, head));
  });
}

}  // namespace

DecodeWorkspace<BufferShape> decode_workspace(const AttentionShape& shape, Index capacity,
                                              int workers) {
  const Index heads = shape.batch * shape.heads, splits = parts_in(capacity, kSplitKeys);
  DecodeWorkspace<BufferShape> workspace;
  workspace.keys = workspace.values = {shape.batch, shape.heads, capacity, shape.head_width};
  workspace.split_outputs = {heads, splits, shape.head_width};
  workspace.split_max = workspace.split_sum = {heads, splits};
  workspace.scores = {workers, kSplitKeys};
  if (shape.factors == Factors::kBfloat16) {
    const RoundedKeyValueCache cache{.capacity = capacity, .head_width = shape.head_width};
    const Index depth = elements_of_depth<Bfloat16Pair>(shape.head_width);
    workspace.keys = {heads, cache.panels(), depth, RoundedKeyValueCache::kPanelKeys};
    workspace.values = {heads, elements_of_depth<Bfloat16Pair>(capacity), shape.head_width};
    workspace.rounded = {workers, rounded_elements(shape.head_width)};
  }
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

void append_to_cache(const ThreadTeam& team, const RoundedKeyValueCache& cache,
                     const CacheAppend<float>& tokens) {
  constexpr Index kPanel = RoundedKeyValueCache::kPanelKeys;
  const AttentionShape& shape = tokens.shape;
  const Index first = tokens.first, steps = shape.steps;
  assert(first + steps <= cache.capacity);
  team.for_each_task(shape.batch * shape.heads, [&](Index task, int) {
    const Index b = task / shape.heads, h = task % shape.heads;
    const MatrixView<const float> k = head_of(tokens.k, shape, b, h);
    const MatrixView<const float> v = head_of(tokens.v, shape, b, h);
    for (Index done = 0; done < steps;) {
      const Index column = (first + done) % kPanel, count = std::min(kPanel - column, steps - done);
      transpose(k.row_block(done, count),
                cache.key_panel(b, h, (first + done) / kPanel).column_block(column, count));
      done += count;
    }
    const Index completes = std::min(steps, first % 2);  // a pair that has its first token already
    if (completes > 0) {
      round_into_second(v.row(0), cache.value_pairs(b, h, first / 2, 1).data, v.cols);
    }
    const Index rest = steps - completes;
    round_along_columns(v.row_block(completes, rest),
                        cache.value_pairs(b, h, (first + completes) / 2, parts_in(rest, 2)));
  });
}

template <typename T>
void decode_attention(const ThreadTeam& team, const KeyValueCache<T>& cache,
                      const DecodeProblem<T>& problem, DecodeWorkspace<Tensor<T>>& workspace) {
  attend(team, cache, problem, workspace);
}

void decode_attention(const ThreadTeam& team, const RoundedKeyValueCache& cache,
                      const DecodeProblem<float>& problem,
                      DecodeWorkspace<Tensor<float>>& workspace) {
  attend(team, cache, problem, workspace);
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
