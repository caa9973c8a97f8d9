#include "harness/models/linear_layer.h"

#include "core/initialisers.h"
#include "core/linear.h"

namespace seqbench {

template <typename T>
LinearLayer<T>::LinearLayer(const std::string& name, Index in, Index out, bool has_bias)
    : weight(make_parameter<T>(shapes(name, in, out, has_bias)[0])),
      bias(make_parameter<T>(shapes(name, in, out, has_bias)[1])) {}

template <typename T>
std::vector<ParameterShape> LinearLayer<T>::shapes(const std::string& name, Index in, Index out,
                                                   bool has_bias) {
  return {{name + ".weight", {out, in}}, {name + ".bias", {has_bias ? out : 0}}};
}

template <typename T>
void LinearLayer<T>::initialise(Random& random) {
  const Index fan_in = weight.value.shape()[1];
  uniform_by_fan_in(random, weight.value, fan_in);
  uniform_by_fan_in(random, bias.value, fan_in);
}

template <typename T>
void LinearLayer<T>::reserve_gradients(bool wanted) {
  reserve_gradient(weight, wanted);
  reserve_gradient(bias, wanted);
}

template <typename T>
void LinearLayer<T>::forward(const ThreadTeam& team, MatrixView<const T> x, MatrixView<T> y) const {
  linear_forward<T>(team, {.x = x,
                           .weight = weight.value.matrix(),
                           .bias = bias.value.values(),
                           .y = as_one_block(y),
                           .factors = factors});
}

template <typename T>
void LinearLayer<T>::backward(const ThreadTeam& team, MatrixView<const T> x, MatrixView<const T> dy,
                              MatrixView<T> dx) {
  linear_backward<T>(team, {.x = x,
                            .weight = weight.value.matrix(),
                            .dy = dy,
                            .dx = as_one_block(dx),
                            .dweight = weight.gradient.matrix(),
                            .dbias = bias.gradient.values(),
                            .factors = factors});
}

template struct LinearLayer<float>;
template struct LinearLayer<double>;

}  // namespace seqbench
