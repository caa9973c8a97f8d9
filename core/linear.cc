#include "core/linear.h"

#include <Eigen/Core>

#include "core/gemm.h"

namespace seqbench {

template <typename T>
void linear_forward(const ThreadTeam& team, const LinearForward<T>& arguments) {
  const auto& [x, weight, bias, y] = arguments;
  assert(Index(bias.size()) == y.cols);
  // The bias goes in first and the product adds to it: one pass over y less than adding it after.
  const Eigen::Map<const Eigen::Matrix<T, 1, Eigen::Dynamic>> b(bias.data(), y.cols);
  as_eigen(y).rowwise() = b;
  gemm(team, x, weight, y, {.transpose_b = true, .accumulate = true});
}

template <typename T>
void linear_backward(const ThreadTeam& team, const LinearBackward<T>& arguments) {
  const auto& [x, weight, dy, dx, dweight, dbias] = arguments;
  assert(Index(dbias.size()) == dy.cols);
  Eigen::Map<Eigen::Matrix<T, 1, Eigen::Dynamic>> db(dbias.data(), dy.cols);
  db = as_eigen(dy).colwise().sum();
  gemm(team, dy, x, dweight, {.transpose_a = true});
  gemm(team, dy, weight, dx);  // last, since dx may be x
}

#define SEQBENCH_INSTANTIATE(T)                                                \
  template void linear_forward<T>(const ThreadTeam&, const LinearForward<T>&); \
  template void linear_backward<T>(const ThreadTeam&, const LinearBackward<T>&);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
