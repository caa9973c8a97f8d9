#include "core/optimiser.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "core/eigen_view.h"

namespace seqbench {

template <typename T>
AdamW<T>::AdamW(std::vector<Parameter<T>*> parameters, AdamWOptions options)
    : parameters_(std::move(parameters)), options_(options) {
  for (const Parameter<T>* parameter : parameters_) {
    state_.first_moments.emplace_back(parameter->value.shape());
    state_.second_moments.emplace_back(parameter->value.shape());
  }
}

template <typename T>
void AdamW<T>::step(const ThreadTeam& team, double learning_rate) {
  const auto& [beta1, beta2, epsilon, weight_decay, decayed] = options_;
  const double steps_taken = double(++state_.steps_taken);
  const double correction1 = 1 - std::pow(beta1, steps_taken);
  const double correction2 = 1 - std::pow(beta2, steps_taken);
  const T full_decay = T(1 - learning_rate * weight_decay);
  const bool matrices_alone = decayed == Decayed::kMatrices;
  const T keep1 = T(beta1), take1 = T(1 - beta1);
  const T keep2 = T(beta2), take2 = T(1 - beta2);
  const T rate = T(learning_rate / correction1);
  const T scale = T(1 / std::sqrt(correction2));
  const T eps = T(epsilon);
  team.for_each_task(Index(parameters_.size()), [&](Index task, int) {
    const auto k = static_cast<std::size_t>(task);
    Parameter<T>& parameter = *parameters_[k];
    assert(parameter.gradient.size() == parameter.value.size());
    const bool decays = !matrices_alone || parameter.value.shape().size() >= 2;
    const T decay = decays ? full_decay : T(1);
    T* theta = parameter.value.data();
    const T* g = parameter.gradient.data();
    T* m = state_.first_moments[k].data();
    T* v = state_.second_moments[k].data();
    const Index n = parameter.value.size();
    for (Index i = 0; i < n; ++i) {
      m[i] = keep1 * m[i] + take1 * g[i];
      v[i] = keep2 * v[i] + take2 * g[i] * g[i];
      theta[i] = theta[i] * decay - rate * m[i] / (std::sqrt(v[i]) * scale + eps);
    }
  });
}

template <typename T>
RmsProp<T>::RmsProp(std::vector<Parameter<T>*> parameters, RmsPropOptions options)
    : parameters_(std::move(parameters)), options_(options) {
  for (const Parameter<T>* parameter : parameters_) {
    second_moments_.emplace_back(parameter->value.shape());
  }
}

template <typename T>
void RmsProp<T>::step(double learning_rate) {
  const T keep = T(options_.alpha), take = T(1 - options_.alpha);
  const T rate = T(learning_rate), eps = T(options_.epsilon);
  for (std::size_t k = 0; k < parameters_.size(); ++k) {
    assert(parameters_[k]->gradient.size() == parameters_[k]->value.size());
    T* theta = parameters_[k]->value.data();
    const T* g = parameters_[k]->gradient.data();
    T* v = second_moments_[k].data();
    const Index n = parameters_[k]->value.size();
    for (Index i = 0; i < n; ++i) {
      v[i] = keep * v[i] + take * g[i] * g[i];
      theta[i] -= rate * g[i] / (std::sqrt(v[i]) + eps);
    }
  }
}

template <typename T>
double clip_global_norm(const ThreadTeam& team, const std::vector<Parameter<T>*>& parameters,
                        double max_norm) {
  const Index count = Index(parameters.size());
  const auto gradient = [&](Index k) {
    return as_eigen(parameters[static_cast<std::size_t>(k)]->gradient.matrix());
  };
  std::vector<double> squares(parameters.size());
  team.for_each_task(count, [&](Index k, int) {
    squares[static_cast<std::size_t>(k)] = gradient(k).template cast<double>().squaredNorm();
  });
  const double norm = std::sqrt(std::accumulate(squares.begin(), squares.end(), 0.0));
  constexpr double kEpsilon = 1e-6;  // PyTorch's, against division by zero
  const double scale = max_norm / (norm + kEpsilon);
  if (scale < 1) team.for_each_task(count, [&](Index k, int) { gradient(k) *= T(scale); });
  return norm;
}

double LearningRateSchedule::at(Index t) const {
  assert(t >= 0 && t < training_steps);
  if (t < warmup_steps) {
    return peak * static_cast<double>(t + 1) / static_cast<double>(warmup_steps);
  }
  const Index since = t - warmup_steps;
  const double progress = static_cast<double>(since - since % steps_per_change) /
                          static_cast<double>(training_steps - warmup_steps);
  return decayed(progress);
}

double LearningRateSchedule::decayed(double progress) const {
  assert(progress >= 0 && progress <= 1);
  switch (decay) {
    case Decay::kCosine:
      return floor + (peak - floor) * (1 + std::cos(std::numbers::pi * progress)) / 2;
    case Decay::kLinear:
      return floor + (peak - floor) * (1 - progress);
    case Decay::kConstant:
      break;
  }
  return peak;
}

#define SEQBENCH_INSTANTIATE(T) \
  template class AdamW<T>;      \
  template class RmsProp<T>;    \
  template double clip_global_norm<T>(const ThreadTeam&, const std::vector<Parameter<T>*>&, double);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
