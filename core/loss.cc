#include "core/loss.h"

#include <algorithm>

#include "core/softmax.h"

namespace seqbench {
namespace {

Index count_selected(std::span<const Token> targets) {
  const auto ignored = std::count(targets.begin(), targets.end(), kNoTarget);
  return static_cast<Index>(targets.size()) - static_cast<Index>(ignored);
}

}  // namespace

template <typename T>
double cross_entropy_forward(MatrixView<const std::type_identity_t<T>> logits,
                             std::span<const Token> targets, MatrixView<T> probabilities,
                             std::span<double> losses) {
  assert(losses.empty() || losses.size() == targets.size());
  assert(Index(targets.size()) == logits.rows);
  assert(logits.rows == probabilities.rows && logits.cols == probabilities.cols);
  const auto n = static_cast<std::size_t>(logits.cols);
  double sum = 0;
  for (Index i = 0; i < logits.rows; ++i) {
    const Token target = targets[static_cast<std::size_t>(i)];
    assert(target == kNoTarget || (target >= 0 && target < logits.cols));
    // Read first, since the probabilities may take its place.
    const double logit = target == kNoTarget ? 0 : static_cast<double>(logits(i, target));
    const T log_sum = softmax_forward<T>({logits.row(i), n}, {probabilities.row(i), n});
    // Not −log of the probability: that is infinite where a probability rounds to zero.
    const double loss = target == kNoTarget ? 0 : static_cast<double>(log_sum) - logit;
    if (!losses.empty()) losses[static_cast<std::size_t>(i)] = loss;
    sum += loss;
  }
  return sum / static_cast<double>(count_selected(targets));
}

template <typename T>
void cross_entropy_backward(MatrixView<const std::type_identity_t<T>> probabilities,
                            std::span<const Token> targets, MatrixView<T> dlogits) {
  assert(Index(targets.size()) == dlogits.rows);
  const T scale = T(1) / static_cast<T>(count_selected(targets));
  for (Index i = 0; i < dlogits.rows; ++i) {
    const Token target = targets[static_cast<std::size_t>(i)];
    T* const gradient = dlogits.row(i);
    if (target == kNoTarget) {
      std::fill_n(gradient, dlogits.cols, T{0});
    } else {
      std::transform(probabilities.row(i), probabilities.row(i) + dlogits.cols, gradient,
                     [scale](T probability) { return scale * probability; });
      gradient[target] -= scale;
    }
  }
}

template <typename T>
double mse_forward(std::span<const T> predictions, std::span<const T> targets) {
  assert(predictions.size() == targets.size() && !targets.empty());
  double sum = 0;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const double error = static_cast<double>(predictions[i]) - static_cast<double>(targets[i]);
    sum += error * error;
  }
  return sum / static_cast<double>(targets.size());
}

template <typename T>
void mse_backward(std::span<const std::type_identity_t<T>> predictions,
                  std::span<const std::type_identity_t<T>> targets, std::span<T> dpredictions) {
  assert(predictions.size() == targets.size() && dpredictions.size() == targets.size());
  const T scale = T(2) / static_cast<T>(targets.size());
  for (std::size_t i = 0; i < targets.size(); ++i) {
    dpredictions[i] = scale * (predictions[i] - targets[i]);
  }
}

#define SEQBENCH_INSTANTIATE(T)                                                         \
  template double cross_entropy_forward<T>(MatrixView<const T>, std::span<const Token>, \
                                           MatrixView<T>, std::span<double>);           \
  template void cross_entropy_backward<T>(MatrixView<const T>, std::span<const Token>,  \
                                          MatrixView<T>);                               \
  template double mse_forward<T>(std::span<const T>, std::span<const T>);               \
  template void mse_backward<T>(std::span<const T>, std::span<const T>, std::span<T>);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
