#include "harness/models/norm_layer.h"

#include <algorithm>

#include "core/layer_norm.h"

namespace seqbench {

template <typename T>
NormLayer<T>::NormLayer(const std::string& name, Index width, bool has_bias)
    : weight(make_parameter<T>(shapes(name, width, has_bias)[0])),
      bias(make_parameter<T>(shapes(name, width, has_bias)[1])) {
  std::ranges::fill(weight.value.values(), T(1));
}

template <typename T>
std::vector<ParameterShape> NormLayer<T>::shapes(const std::string& name, Index width,
                                                 bool has_bias) {
  return {{name + ".weight", {width}}, {name + ".bias", {has_bias ? width : 0}}};
}

template <typename T>
void NormLayer<T>::reserve_gradients(bool wanted) {
  reserve_gradient(weight, wanted);
  reserve_gradient(bias, wanted);
}

template <typename T>
void NormLayer<T>::forward(MatrixView<const T> x, MatrixView<T> y, Tensor<T>& mean,
                           Tensor<T>& rstd) const {
  layer_norm_forward<T>({.x = x,
                         .weight = weight.value.values(),
                         .bias = bias.value.values(),
                         .y = y,
                         .mean = mean.values(),
                         .rstd = rstd.values()});
}

template <typename T>
void NormLayer<T>::backward(MatrixView<const T> x, const Tensor<T>& mean, const Tensor<T>& rstd,
                            MatrixView<const T> dy, MatrixView<T> dx) {
  layer_norm_backward<T>({.x = x,
                          .weight = weight.value.values(),
                          .mean = mean.values(),
                          .rstd = rstd.values(),
                          .dy = dy,
                          .dx = dx,
                          .dweight = weight.gradient.values(),
                          .dbias = bias.gradient.values()});
}

template struct NormLayer<float>;
template struct NormLayer<double>;

}  // namespace seqbench
