// Seeded tensors and the comparisons that tests of layers share.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/random.h"
#include "core/sequence_layer.h"
#include "core/tensor.h"

namespace seqbench {

/// ~ N(0, deviation²).
template <typename T>
Tensor<T> normal_tensor(Random& random, std::vector<Index> shape, double deviation = 1) {
  Tensor<T> tensor(std::move(shape));
  fill_normal(random, tensor.values(), 0, deviation);
  return tensor;
}

/// Every parameter, biases included, ~ U(±1/√D), so that no term of an equation is hidden by a
/// zero.
template <typename T>
void randomise_parameters(Random& random, SequenceLayer<T>& layer) {
  const double bound = 1 / std::sqrt(double(layer.width()));
  for (Parameter<T>& parameter : layer.parameters()) {
    fill_uniform(random, parameter.value.values(), -bound, bound);
  }
}

/// Gives `to` the parameters of `from`, a layer of the same model and width.
template <typename From, typename To>
void copy_parameters(SequenceLayer<From>& from, SequenceLayer<To>& to) {
  for (std::size_t p = 0; p < from.parameters().size(); ++p) {
    std::ranges::copy(from.parameters()[p].value.values(),
                      to.parameters()[p].value.values().begin());
  }
}

/// Every parameter's gradient.
template <typename T>
std::vector<Tensor<T>> copied_gradients(std::span<const Parameter<T>> parameters) {
  std::vector<Tensor<T>> copies;
  for (const Parameter<T>& parameter : parameters) {
    copies.emplace_back(parameter.gradient.shape());
    std::ranges::copy(parameter.gradient.values(), copies.back().data());
  }
  return copies;
}
/// Those that a layer keeps.
template <typename T>
std::vector<Tensor<T>> copied_gradients(SequenceLayer<T>& layer) {
  return copied_gradients<T>(layer.parameters());
}

/// max |x_i|; NaN where an element is.
template <typename T>
double max_abs(std::span<const T> x) {
  double largest = 0;
  for (const T value : x) {
    if (std::isnan(value)) return std::numeric_limits<double>::quiet_NaN();
    largest = std::max(largest, std::abs(double(value)));
  }
  return largest;
}

/// max |a_i − b_i|; NaN where an element is, which fails any EXPECT_LE.
template <typename A, typename B>
double max_difference(const Tensor<A>& a, const Tensor<B>& b) {
  std::vector<double> difference(a.values().begin(), a.values().end());
  for (Index i = 0; i < a.size(); ++i) difference[std::size_t(i)] -= double(b[i]);
  return max_abs(std::span<const double>(difference));
}

/// True when both hold the same bytes.
template <typename T>
bool bit_equal(const Tensor<T>& a, const Tensor<T>& b) {
  return a.shape() == b.shape() &&
         std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.bytes())) == 0;
}

/// D×D matrices that a recurrent model multiplies the input with; 0 for attention.
inline Index gates_of(const std::string& model) {
  if (model == "elman") return 1;
  if (model == "gru") return 3;
  if (model == "mingru") return 2;
  if (model == "lstm") return 4;
  if (model == "attention") return 0;
  throw std::invalid_argument("gates_of does not know " + model);
}

}  // namespace seqbench
