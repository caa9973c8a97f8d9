#include "attention/rotary.h"

#include <cmath>

namespace seqbench {
namespace {

constexpr double kBase = 10000;  // the paper's, after Vaswani et al. 2017

/// Turns the pairs of one head's row by (cos, sin) of each; a negative `direction` turns back.
template <typename T>
void rotate_row(const T* angles, Index pairs, T direction, T* x) {
  for (Index i = 0; i < pairs; ++i) {
    const T cosine = angles[2 * i], sine = direction * angles[2 * i + 1];
    const T even = x[2 * i], odd = x[2 * i + 1];
    x[2 * i] = even * cosine - odd * sine;
    x[2 * i + 1] = even * sine + odd * cosine;
  }
}

}  // namespace

template <typename T>
void fill_rotary_angles(Index head_width, MatrixView<T> angles, Index first) {
  assert(angles.cols == head_width / 2 * 2);
  for (Index t = 0; t < angles.rows; ++t) {
    for (Index i = 0; i < head_width / 2; ++i) {
      const double angle = double(first + t) * std::pow(kBase, -2 * double(i) / double(head_width));
      angles(t, 2 * i) = static_cast<T>(std::cos(angle));
      angles(t, 2 * i + 1) = static_cast<T>(std::sin(angle));
    }
  }
}

template <typename T>
void rotate_heads(const ThreadTeam& team, MatrixView<const std::type_identity_t<T>> angles,
                  const RotarySpan& span, BlockedMatrixView<T> x) {
  assert(x.rows == span.batch * span.steps && angles.rows >= span.first + span.steps);
  const Index pairs = x.block_cols / 2;
  const T direction = span.turn == Turn::kForward ? T(1) : T(-1);
  team.for_each_task(span.batch * x.blocks, [&](Index task, int) {
    const Index b = task / x.blocks, h = task % x.blocks;
    const MatrixView<T> head = x.block(h).row_block(b * span.steps, span.steps);
    for (Index t = 0; t < span.steps; ++t) {
      rotate_row(angles.row(span.first + t), pairs, direction, head.row(t));
    }
  });
}

#define SEQBENCH_INSTANTIATE(T)                                                            \
  template void fill_rotary_angles<T>(Index, MatrixView<T>, Index);                        \
  template void rotate_heads<T>(const ThreadTeam&, MatrixView<const T>, const RotarySpan&, \
                                BlockedMatrixView<T>);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
