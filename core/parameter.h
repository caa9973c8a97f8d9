// A trainable tensor and its gradient.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/buffers.h"
#include "core/tensor.h"

namespace seqbench {

/// A trainable tensor before it is allocated.
struct ParameterShape {
  std::string name;
  BufferShape shape;
};

/// A trainable tensor under PyTorch's name; the gradient has the value's shape and is empty until
/// it is reserved.
template <typename T>
struct Parameter {
  std::string name;
  Tensor<T> value;
  Tensor<T> gradient;
};

/// All 0, without a gradient. Throws std::bad_alloc.
template <typename T>
Parameter<T> make_parameter(const ParameterShape& declared) {
  return {.name = declared.name, .value = Tensor<T>(declared.shape), .gradient = {}};
}

/// Gives it a gradient, or takes it away.
template <typename T>
void reserve_gradient(Parameter<T>& parameter, bool wanted) {
  parameter.gradient = wanted ? Tensor<T>(parameter.value.shape()) : Tensor<T>();
}

/// Scalars of all of them, as a double, which sizes too large for the machine do not overflow.
inline double scalar_count(const std::vector<ParameterShape>& parameters) {
  double count = 0;
  for (const ParameterShape& parameter : parameters) count += element_count(parameter.shape);
  return count;
}

}  // namespace seqbench
