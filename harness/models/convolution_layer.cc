#include "harness/models/convolution_layer.h"

#include "core/causal_convolution.h"
#include "core/initialisers.h"

namespace seqbench {

template <typename T>
ConvolutionLayer<T>::ConvolutionLayer(const std::string& name, Index taps, Index width)
    : weight(make_parameter<T>(shapes(name, taps, width)[0])),
      bias(make_parameter<T>(shapes(name, taps, width)[1])) {}

template <typename T>
std::vector<ParameterShape> ConvolutionLayer<T>::shapes(const std::string& name, Index taps,
                                                        Index width) {
  return {{name + ".weight", {taps, width}}, {name + ".bias", {width}}};
}

template <typename T>
void ConvolutionLayer<T>::initialise(Random& random) {
  const Index fan_in = weight.value.shape()[0];
  uniform_by_fan_in(random, weight.value, fan_in);
  uniform_by_fan_in(random, bias.value, fan_in);
}

template <typename T>
void ConvolutionLayer<T>::reserve_gradients(bool wanted) {
  reserve_gradient(weight, wanted);
  reserve_gradient(bias, wanted);
}

template <typename T>
void ConvolutionLayer<T>::forward(const ThreadTeam& team, SequenceView<const T> x,
                                  SequenceView<T> y) const {
  causal_convolution_forward<T>(
      team, {.x = x, .weight = weight.value.matrix(), .bias = bias.value.values(), .y = y});
}

template <typename T>
void ConvolutionLayer<T>::backward(const ThreadTeam& team, SequenceView<const T> x,
                                   SequenceView<const T> dy, SequenceView<T> dx) {
  causal_convolution_backward<T>(team, {.x = x,
                                        .weight = weight.value.matrix(),
                                        .dy = dy,
                                        .dx = dx,
                                        .dweight = weight.gradient.matrix(),
                                        .dbias = bias.gradient.values()});
}

template struct ConvolutionLayer<float>;
template struct ConvolutionLayer<double>;

}  // namespace seqbench
