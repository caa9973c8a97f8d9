#include "core/softmax.h"

#include <cmath>

#include "core/eigen_view.h"
#include "core/simd.h"

namespace seqbench {

template <typename T>
T softmax_forward(std::span<const std::type_identity_t<T>> x, std::span<T> p) {
  assert(x.size() == p.size() && !x.empty());
  const Index n = static_cast<Index>(x.size());
  const T m = as_eigen(MatrixView<const T>(x.data(), 1, n)).maxCoeff();
  for_each_vector<T>(n, [&](auto d, Index j) {
    hn::StoreU(exp(d, hn::Sub(hn::LoadU(d, x.data() + j), hn::Set(d, m))), d, p.data() + j);
  });
  auto numerators = as_eigen(MatrixView<T>(p.data(), 1, n));
  const T sum = numerators.sum();
  numerators /= sum;
  return m + std::log(sum);
}

template <typename T>
void softmax_forward(MatrixView<const std::type_identity_t<T>> x, MatrixView<T> p) {
  assert(x.rows == p.rows && x.cols == p.cols);
  const auto n = static_cast<std::size_t>(x.cols);
  for (Index i = 0; i < x.rows; ++i) softmax_forward<T>({x.row(i), n}, {p.row(i), n});
}

template <typename T>
void softmax_backward(MatrixView<const std::type_identity_t<T>> p,
                      MatrixView<const std::type_identity_t<T>> dp, MatrixView<T> dx) {
  assert(p.rows == dx.rows && p.cols == dx.cols && dp.rows == dx.rows && dp.cols == dx.cols);
  for (Index i = 0; i < p.rows; ++i) {
    const auto p_i = as_eigen(p).row(i).array();
    const auto dp_i = as_eigen(dp).row(i).array();
    const T weighted = (p_i * dp_i).sum();
    as_eigen(dx).row(i).array() = p_i * (dp_i - weighted);
  }
}

#define SEQBENCH_INSTANTIATE(T)                                                               \
  template void softmax_forward<T>(MatrixView<const T>, MatrixView<T>);                       \
  template void softmax_backward<T>(MatrixView<const T>, MatrixView<const T>, MatrixView<T>); \
  template T softmax_forward<T>(std::span<const T>, std::span<T>);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
