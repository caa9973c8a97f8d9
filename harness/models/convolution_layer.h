// A causal convolution with its parameters (core/causal_convolution.h): y[t] = b + Σ_k w[k]∘x[t −
// k].
#pragma once

#include <string>
#include <vector>

#include "core/parameter.h"
#include "core/random.h"
#include "core/thread_team.h"

namespace seqbench {

template <typename T>
struct ConvolutionLayer {
  Parameter<T> weight, bias;  // w [K, D], b [D]

  ConvolutionLayer(const std::string& name, Index taps, Index width);
  static std::vector<ParameterShape> shapes(const std::string& name, Index taps, Index width);

  /// Both from U(±1/√K), as nn.Conv1d with a group for each channel.
  void initialise(Random& random);
  void reserve_gradients(bool wanted);
  /// y from x, both [B, T, D].
  void forward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y) const;
  /// Assigns dx [B, T, D] and the gradients.
  void backward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<const T> dy,
                SequenceView<T> dx);
};

}  // namespace seqbench
