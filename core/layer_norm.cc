#include "core/layer_norm.h"

#include <Eigen/Core>
#include <cmath>

#include "core/eigen_view.h"

namespace seqbench {
namespace {

template <typename T>
using ConstRow = Eigen::Map<const Eigen::Array<T, 1, Eigen::Dynamic>>;
template <typename T>
using Row = Eigen::Map<Eigen::Array<T, 1, Eigen::Dynamic>>;

}  // namespace

template <typename T>
void layer_norm_forward(const LayerNormForward<T>& arguments) {
  const auto& [x, weight, bias, y, mean, rstd] = arguments;
  const Index N = x.rows, D = x.cols;
  assert(y.rows == N && y.cols == D && Index(weight.size()) == D);
  assert(bias.empty() || Index(bias.size()) == D);
  assert(Index(mean.size()) >= N && Index(rstd.size()) >= N);
  const ConstRow<T> gamma(weight.data(), D), beta(bias.data(), Index(bias.size()));
  for (Index i = 0; i < N; ++i) {
    const ConstRow<T> x_i(x.row(i), D);
    const auto row = static_cast<std::size_t>(i);
    mean[row] = x_i.mean();
    const T variance = (x_i - mean[row]).square().mean();
    rstd[row] = 1 / std::sqrt(variance + T(kLayerNormEpsilon));
    const auto scaled = gamma * ((x_i - mean[row]) * rstd[row]);
    if (bias.empty()) {
      Row<T>(y.row(i), D) = scaled;
    } else {
      Row<T>(y.row(i), D) = scaled + beta;
    }
  }
}

template <typename T>
void layer_norm_backward(const LayerNormBackward<T>& arguments) {
  const auto& [x, weight, mean, rstd, dy, dx, dweight, dbias] = arguments;
  const Index N = x.rows, D = x.cols;
  assert(dy.rows == N && dy.cols == D && dx.rows == N && dx.cols == D);
  assert(Index(dweight.size()) == D && (dbias.empty() || Index(dbias.size()) == D));
  const ConstRow<T> gamma(weight.data(), D);
  Row<T> dgamma(dweight.data(), D), dbeta(dbias.data(), Index(dbias.size()));
  dgamma.setZero();
  dbeta.setZero();
  for (Index i = 0; i < N; ++i) {
    const ConstRow<T> x_i(x.row(i), D), dy_i(dy.row(i), D);
    const T mu = mean[static_cast<std::size_t>(i)], r = rstd[static_cast<std::size_t>(i)];
    const auto x_hat = (x_i - mu) * r;
    dgamma += dy_i * x_hat;
    if (!dbias.empty()) dbeta += dy_i;
    const T mean_dx_hat = (gamma * dy_i).mean();
    const T mean_dx_hat_x_hat = (gamma * dy_i * x_hat).mean();
    Row<T>(dx.row(i), D) = r * (gamma * dy_i - mean_dx_hat - x_hat * mean_dx_hat_x_hat);
  }
}

#define SEQBENCH_INSTANTIATE(T)                                    \
  template void layer_norm_forward<T>(const LayerNormForward<T>&); \
  template void layer_norm_backward<T>(const LayerNormBackward<T>&);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
