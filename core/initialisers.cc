#include "core/initialisers.h"

#include <Eigen/QR>
#include <cmath>

#include "core/eigen_view.h"

namespace seqbench {

template <typename T>
void glorot_uniform(Random& random, Tensor<T>& weight) {
  assert(weight.shape().size() == 2);
  const double bound = std::sqrt(6.0 / double(weight.shape()[0] + weight.shape()[1]));
  fill_uniform(random, weight.values(), -bound, bound);
}

template <typename T>
void uniform_by_fan_in(Random& random, Tensor<T>& parameter, Index fan_in) {
  const double bound = 1 / std::sqrt(double(fan_in));
  fill_uniform(random, parameter.values(), -bound, bound);
}

template <typename T>
void orthogonal(Random& random, Tensor<T>& weight) {
  assert(weight.shape().size() == 2);
  const Index rows = weight.shape()[0], cols = weight.shape()[1];
  const Index tall = std::max(rows, cols), thin = std::min(rows, cols);
  RowMajorMatrix<double> normal(tall, thin);
  fill_normal<double>(random, {normal.data(), static_cast<std::size_t>(normal.size())});

  const Eigen::HouseholderQR<RowMajorMatrix<double>> qr(normal);
  RowMajorMatrix<double> q = qr.householderQ() * RowMajorMatrix<double>::Identity(tall, thin);
  for (Index j = 0; j < thin; ++j) {
    if (qr.matrixQR()(j, j) < 0) q.col(j) *= -1;
  }
  if (rows >= cols) {
    as_eigen(weight.matrix()) = q.template cast<T>();
  } else {
    as_eigen(weight.matrix()) = q.transpose().template cast<T>();
  }
}

#define SEQBENCH_INSTANTIATE(T)                                \
  template void glorot_uniform(Random&, Tensor<T>&);           \
  template void uniform_by_fan_in(Random&, Tensor<T>&, Index); \
  template void orthogonal(Random&, Tensor<T>&);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
