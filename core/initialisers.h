// Random initial values of parameters, by the names PyTorch's torch.nn.init gives them.
#pragma once

#include "core/random.h"
#include "core/tensor.h"

namespace seqbench {

/// weight [out, in] ~ U(±√(6/(in + out))) (Glorot & Bengio 2010, eq. 16).
template <typename T>
void glorot_uniform(Random& random, Tensor<T>& weight);

/// ~ U(±1/√fan_in): what nn.Linear (kaiming_uniform with a = √5, and its bias) and, with the hidden
/// width as fan_in, every parameter of nn.RNN, nn.LSTM and nn.GRU start from.
template <typename T>
void uniform_by_fan_in(Random& random, Tensor<T>& parameter, Index fan_in);

/// weight [rows, cols] becomes semi-orthogonal: W·Wᵀ = I, or Wᵀ·W = I when rows > cols. The Q of
/// the QR decomposition of a normal matrix, signs fixed by R's diagonal, so that it is uniformly
/// distributed (Mezzadri 2007; Saxe et al. 2013).
template <typename T>
void orthogonal(Random& random, Tensor<T>& weight);

}  // namespace seqbench
