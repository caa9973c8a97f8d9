#include "core/causal_convolution.h"

#include <algorithm>

#include "core/bias.h"
#include "core/eigen_view.h"

namespace seqbench {
namespace {

/// The steps of a sequence [T, D] that a tap reaches, and those it reads: k steps apart.
template <typename T>
MatrixView<T> without_first(MatrixView<T> sequence, Index k) {
  return sequence.row_block(k, sequence.rows - k);
}
template <typename T>
MatrixView<T> without_last(MatrixView<T> sequence, Index k) {
  return sequence.row_block(0, sequence.rows - k);
}

/// w[k]∘: a row that multiplies every row of a matrix.
template <typename T>
auto tap(MatrixView<const T> weight, Index k) {
  return as_eigen(weight).row(k).array();
}

}  // namespace

template <typename T>
void causal_convolution_forward(const ThreadTeam& team,
                                const CausalConvolutionForward<T>& arguments) {
  const auto& x = arguments.x;
  const auto& y = arguments.y;
  const auto& weight = arguments.weight;
  assert(weight.cols == x.width && Index(arguments.bias.size()) == x.width);
  const Index taps = std::min(weight.rows, x.steps);
  assign_bias<T>(team, arguments.bias.data(), y.tokens());
  team.for_each_task(x.batch, [&](Index n, int) {
    for (Index k = 0; k < taps; ++k) {
      as_eigen(without_first(y.sequence(n), k)).array() +=
          as_eigen(without_last(x.sequence(n), k)).array().rowwise() * tap(weight, k);
    }
  });
}

template <typename T>
void causal_convolution_backward(const ThreadTeam& team,
                                 const CausalConvolutionBackward<T>& arguments) {
  const auto& x = arguments.x;
  const auto& weight = arguments.weight;
  const auto& dy = arguments.dy;
  const auto& dx = arguments.dx;
  const auto& dweight = arguments.dweight;
  assert(weight.cols == x.width && Index(arguments.dbias.size()) == x.width);
  const Index taps = std::min(weight.rows, x.steps);
  team.for_each_task(x.batch, [&](Index n, int) {
    as_eigen(dx.sequence(n)).setZero();
    for (Index k = 0; k < taps; ++k) {
      as_eigen(without_last(dx.sequence(n), k)).array() +=
          as_eigen(without_first(dy.sequence(n), k)).array().rowwise() * tap(weight, k);
    }
  });
  // Taps beyond the sequence's length have no part in it.
  as_eigen(dweight).setZero();
  team.for_each_task(taps, [&](Index k, int) {
    for (Index n = 0; n < x.batch; ++n) {
      as_eigen(dweight).row(k) += as_eigen(without_first(dy.sequence(n), k))
                                      .cwiseProduct(as_eigen(without_last(x.sequence(n), k)))
                                      .colwise()
                                      .sum();
    }
  });
  std::ranges::fill(arguments.dbias, T{0});
  add_column_sums(team, dy.tokens(), arguments.dbias.data());
}

#define SEQBENCH_INSTANTIATE(T)                                                    \
  template void causal_convolution_forward<T>(const ThreadTeam&,                   \
                                              const CausalConvolutionForward<T>&); \
  template void causal_convolution_backward<T>(const ThreadTeam&,                  \
                                               const CausalConvolutionBackward<T>&);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
