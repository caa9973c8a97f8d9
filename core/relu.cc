#include "core/relu.h"

#include <cassert>
#include <cstddef>

namespace seqbench {

template <typename T>
void relu_forward(std::span<const std::type_identity_t<T>> x, std::span<T> y) {
  assert(x.size() == y.size());
  // This order of the comparison lets a NaN through, as PyTorch does.
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] < 0 ? T{0} : x[i];
}

template <typename T>
void relu_backward(std::span<const std::type_identity_t<T>> y,
                   std::span<const std::type_identity_t<T>> dy, std::span<T> dx) {
  assert(y.size() == dx.size() && dy.size() == dx.size());
  for (std::size_t i = 0; i < y.size(); ++i) dx[i] = y[i] > 0 ? dy[i] : T{0};
}

#define SEQBENCH_INSTANTIATE(T)                                    \
  template void relu_forward<T>(std::span<const T>, std::span<T>); \
  template void relu_backward<T>(std::span<const T>, std::span<const T>, std::span<T>);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
