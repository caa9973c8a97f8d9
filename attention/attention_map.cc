#include "attention/attention_map.h"

#include "core/eigen_view.h"
#include "core/softmax.h"

namespace seqbench {
namespace {

template <typename T>
Tensor<double> in_double(MatrixView<const T> from) {
  Tensor<double> to({from.rows, from.cols});
  as_eigen(to.matrix()) = as_eigen(from).template cast<double>();
  return to;
}

}  // namespace

template <typename T>
AttentionMap attention_map(const AttentionProblem<T>& problem, Index b, Index h) {
  const AttentionShape& shape = problem.shape;
  const Index steps = shape.steps;
  AttentionMap map{.q = in_double<T>(head_of(problem.q, shape, b, h)),
                   .k = in_double<T>(head_of(problem.k, shape, b, h)),
                   .v = in_double<T>(head_of(problem.v, shape, b, h)),
                   .scores = Tensor<double>({steps, steps}),
                   .weights = Tensor<double>({steps, steps})};
  as_eigen(map.scores.matrix()) = as_eigen(map.q.matrix()) * as_eigen(map.k.matrix()).transpose() *
                                  logit_scale<double>(shape.head_width);
  if (!problem.softmax) {
    as_eigen(map.weights.matrix()) = as_eigen(map.scores.matrix());
    hide_unseen_keys(problem, b, map.weights.matrix(), 0.0);
  }
  hide_unseen_keys(problem, b, map.scores.matrix());
  if (problem.softmax) softmax_forward(map.scores.matrix(), map.weights.matrix());
  return map;
}

template AttentionMap attention_map<float>(const AttentionProblem<float>&, Index, Index);
template AttentionMap attention_map<double>(const AttentionProblem<double>&, Index, Index);

}  // namespace seqbench
