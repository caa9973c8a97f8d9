// A layer norm with its parameters (core/layer_norm.h).
#pragma once

#include <string>
#include <vector>

#include "core/parameter.h"

namespace seqbench {

template <typename T>
struct NormLayer {
  Parameter<T> weight, bias;  // γ, β [D]; β empty without bias

  /// γ = 1, β = 0.
  NormLayer(const std::string& name, Index width, bool has_bias = true);
  static std::vector<ParameterShape> shapes(const std::string& name, Index width,
                                            bool has_bias = true);

  void reserve_gradients(bool wanted);
  /// y [N, D] from x [N, D]; assigns mean and rstd [N], which backward needs.
  void forward(MatrixView<const T> x, MatrixView<T> y, Tensor<T>& mean, Tensor<T>& rstd) const;
  /// Assigns dx and the gradients. dx may be dy.
  void backward(MatrixView<const T> x, const Tensor<T>& mean, const Tensor<T>& rstd,
                MatrixView<const T> dy, MatrixView<T> dx);
};

}  // namespace seqbench
