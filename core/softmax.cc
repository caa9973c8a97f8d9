#include "core/softmax.h"

#include <cmath>

#include "core/simd.h"

namespace seqbench {

template <typename T>
void softmax_forward(MatrixView<const std::type_identity_t<T>> x, MatrixView<T> p) {
  assert(x.rows == p.rows && x.cols == p.cols && x.cols >= 1);
  for (Index i = 0; i < x.rows; ++i) {
    const T* x_i = x.row(i);
    T* p_i = p.row(i);
    const T m = as_eigen(x).row(i).maxCoeff();
    for_each_vector<T>(x.cols, [&](auto d, Index j) {
      hn::StoreU(exp(d, hn::Sub(hn::LoadU(d, x_i + j), hn::Set(d, m))), d, p_i + j);
    });
    as_eigen(p).row(i) /= as_eigen(p).row(i).sum();
  }
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

template <typename T>
T log_sum_exp(std::span<const T> x) {
  const MatrixView<const T> row(x.data(), 1, static_cast<Index>(x.size()));
  const T m = as_eigen(row).maxCoeff();
  T sum = 0;
  for (const T value : x) sum += std::exp(value - m);
  return m + std::log(sum);
}

#define SEQBENCH_INSTANTIATE(T)                                                               \
  template void softmax_forward<T>(MatrixView<const T>, MatrixView<T>);                       \
  template void softmax_backward<T>(MatrixView<const T>, MatrixView<const T>, MatrixView<T>); \
  template T log_sum_exp<T>(std::span<const T>);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
