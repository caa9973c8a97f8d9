#include "harness/training/sliced_pass.h"

#include <algorithm>

#include "core/elementwise.h"
#include "harness/tasks/task_batch.h"

namespace seqbench {
namespace {

// Tokens of a slice: at D = 64 a block keeps some 4 KiB a token, so that what one operation leaves
// to the next is in L2. Half or twice as many make 2 % of difference.
constexpr Index kTokens = 1024;
// Sequences of a slice at least: a recurrent layer's step is a product with so many rows.
constexpr Index kLeastSequences = 8;

}  // namespace

EvenParts slices_of(SequenceShape batch) {
  return EvenParts::of_at_most(batch.batch, std::max(kLeastSequences, kTokens / batch.steps));
}

template <typename T>
SlicedPass<T>::SlicedPass(SequenceModel<T>& model) : model_(model) {
  for (const Parameter<T>* parameter : model.parameters()) {
    sums_.emplace_back(parameter->value.shape());
  }
}

template <typename T>
double SlicedPass<T>::run(const ThreadTeam& team, const TaskBatch& batch) {
  const EvenParts slices = slices_of(batch.shape);
  const auto& parameters = model_.parameters();
  double loss = 0;
  right_.clear();
  for (Index i = 0; i < slices.count(); ++i) {
    slice_.take(batch, slices[i]);
    const double share = double(slice_.answers()) / double(batch.answers());
    loss += share * model_.forward(team, slice_, Keep::kForBackward);
    model_.backward(team, slice_, share);
    right_.insert(right_.end(), model_.right().begin(), model_.right().end());
    if (slices.count() == 1) break;
    const bool last = i == slices.count() - 1;
    for (std::size_t k = 0; k < parameters.size(); ++k) {
      const auto sum = sums_[k].matrix(), gradient = parameters[k]->gradient.matrix();
      if (i == 0) {
        copy(gradient, sum);
      } else if (last) {
        add(sum, gradient);
      } else {
        add(gradient, sum);
      }
    }
  }
  return loss;
}

template class SlicedPass<float>;
template class SlicedPass<double>;

}  // namespace seqbench
