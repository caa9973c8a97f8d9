// The simple recurrent network (Elman 1990, fig. 2), tanh, as nn.RNN states it:
//
//   h_t = tanh(W_ih·x_t + b_ih + W_hh·h_{t−1} + b_hh)
//
// Cost per token: 4·D² FLOPs in the loop's two products; the step reads 2·D elements of a and u and
// writes D. Kept for backward: nothing but the output, since tanh′ = 1 − h².
#pragma once

#include "rnn/cell.h"

namespace seqbench {

template <typename T>
struct Elman {
  using Scalar = T;
  static constexpr Index kGates = 1;
  static constexpr Index kSharedGates = 1;
  static constexpr Index kKept = 0;
  static constexpr bool kCarriesKept = false;
  static constexpr Index kKeepingGate = -1;  // none

  static void step(const StepRow<T>& row) {
    for_each_vector<T>(row.units, [&](auto d, Index j) {
      const auto h = tanh(d, row.a_at(d, 0, j) + row.u_at(d, 0, j));
      hn::StoreU(h, d, row.h + j);
    });
  }

  /// da = du = dh ∘ (1 − h²); h_{t−1} acts through u alone.
  static void step_backward(const StepBackwardRow<T>& row) {
    for_each_vector<T>(row.units, [&](auto d, Index j) {
      const auto one = hn::Set(d, T{1});
      const auto h = hn::LoadU(d, row.h + j);
      const auto da = row.dh_at(d, j) * (one - h * h);
      row.store_gradients(d, 0, j, da, da);
      hn::StoreU(hn::Zero(d), d, row.dh + j);
    });
  }

  /// (1 − h²) ∘ w
  template <class Tag>
  static HWY_INLINE StateJacobian<hn::Vec<Tag>> jacobian(Tag d, const JacobianRow<T>& row,
                                                         Index j) {
    const auto h = hn::LoadU(d, row.h + j);
    return {(hn::Set(d, T{1}) - h * h) * row.weight_at(d, 0, j)};
  }
};

}  // namespace seqbench
