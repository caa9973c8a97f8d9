#include "attention/positional_encoding.h"

#include <cmath>

#include "core/eigen_view.h"

namespace seqbench {

template <typename T>
Tensor<T> sinusoidal_positions(Index steps, Index width) {
  Tensor<T> e({steps, width});
  for (Index t = 0; t < steps; ++t) {
    for (Index j = 0; j < width; ++j) {
      const Index even = j / 2 * 2;
      const double angle = double(t) * std::pow(10000.0, -double(even) / double(width));
      e[t * width + j] = static_cast<T>(j % 2 == 0 ? std::sin(angle) : std::cos(angle));
    }
  }
  return e;
}

template <typename T>
void add_positions(const ThreadTeam& team, MatrixView<const std::type_identity_t<T>> e,
                   SequenceView<T> x) {
  assert(e.rows >= x.steps && e.cols == x.width);
  team.for_each_task(
      x.batch, [&](Index b, int) { as_eigen(x.sequence(b)) += as_eigen(e.row_block(0, x.steps)); });
}

template <typename T>
void add_positions_backward(const ThreadTeam& team, SequenceView<const std::type_identity_t<T>> dx,
                            MatrixView<T> de) {
  assert(de.rows >= dx.steps && de.cols == dx.width);
  as_eigen(de.row_block(dx.steps, de.rows - dx.steps)).setZero();
  team.for_each_task(dx.steps, [&](Index t, int) {
    as_eigen(de.row_block(t, 1)) = as_eigen(dx.step(t)).colwise().sum();
  });
}

#define SEQBENCH_INSTANTIATE(T)                                                            \
  template Tensor<T> sinusoidal_positions<T>(Index, Index);                                \
  template void add_positions<T>(const ThreadTeam&, MatrixView<const T>, SequenceView<T>); \
  template void add_positions_backward<T>(const ThreadTeam&, SequenceView<const T>, MatrixView<T>);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
