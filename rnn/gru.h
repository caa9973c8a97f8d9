// The gated recurrent unit (Cho et al. 2014, eqs. 5–8) in the form of cuDNN and nn.GRU, which
// resets after the recurrent product instead of before it, so that all three products of a step can
// run at once. With a, u [3·D] in the order r z n:
//
//   r = σ(a_r + u_r)    z = σ(a_z + u_z)    n = tanh(a_n + r ∘ u_n)
//   h_t = (1 − z) ∘ n + z ∘ h_{t−1}
//
// Cost per token: 12·D² FLOPs in the loop's two products; the step reads 7·D elements (a, u,
// h_{t−1}) and writes 5·D. Kept for backward: r z n in the place of a, and u_n.
#pragma once

#include "rnn/cell.h"

namespace seqbench {

template <typename T>
struct Gru {
  using Scalar = T;
  static constexpr Index kGates = 3;
  static constexpr Index kSharedGates = 2;  // r and z; n sees r ∘ u_n
  static constexpr Index kKept = 1;         // u_n
  static constexpr bool kCarriesKept = false;
  static constexpr Index kR = 0, kZ = 1, kN = 2;
  static constexpr Index kKeepingGate = kZ;

  static void step(const StepRow<T>& row) {
    for_each_vector<T>(row.units, [&](auto d, Index j) {
      const auto u_n = row.u_at(d, kN, j);
      const auto r = sigmoid(d, row.a_at(d, kR, j) + row.u_at(d, kR, j));
      const auto z = sigmoid(d, row.a_at(d, kZ, j) + row.u_at(d, kZ, j));
      const auto n = tanh(d, row.a_at(d, kN, j) + r * u_n);
      const auto one = hn::Set(d, T{1});
      const auto h = (one - z) * n + z * hn::LoadU(d, row.h_previous + j);
      row.store_gate(d, kR, j, r);
      row.store_gate(d, kZ, j, z);
      row.store_gate(d, kN, j, n);
      hn::StoreU(u_n, d, row.kept + j);
      hn::StoreU(h, d, row.h + j);
    });
  }

  /// dz = dh ∘ (h_{t−1} − n), dn = dh ∘ (1 − z), dr = da_n ∘ u_n, du_n = da_n ∘ r, with σ′ = σ(1 −
  /// σ) and tanh′ = 1 − tanh²; besides through u, h_{t−1} acts through z ∘ h_{t−1}.
  static void step_backward(const StepBackwardRow<T>& row) {
    for_each_vector<T>(row.units, [&](auto d, Index j) {
      const auto one = hn::Set(d, T{1});
      const auto r = row.gate_at(d, kR, j);
      const auto z = row.gate_at(d, kZ, j);
      const auto n = row.gate_at(d, kN, j);
      const auto u_n = hn::LoadU(d, row.kept + j);
      const auto h_previous = hn::LoadU(d, row.h_previous + j);

      const auto dh = row.dh_at(d, j);
      const auto da_n = dh * (one - z) * (one - n * n);
      const auto da_r = da_n * u_n * r * (one - r);
      const auto da_z = dh * (h_previous - n) * z * (one - z);
      const auto du_n = da_n * r;
      row.store_gradients(d, kR, j, da_r, da_r);
      row.store_gradients(d, kZ, j, da_z, da_z);
      row.store_gradients(d, kN, j, da_n, du_n);
      hn::StoreU(du_n, d, row.kept_du + j);
      hn::StoreU(dh * z, d, row.dh + j);
    });
  }

  /// z + (1 − z) ∘ n′ + (h_{t−1} − n) ∘ z(1 − z) ∘ w_z with n′ = (1 − n²) ∘ (r ∘ w_n + u_n ∘ r(1 −
  /// r) ∘ w_r)
  template <class Tag>
  static HWY_INLINE StateJacobian<hn::Vec<Tag>> jacobian(Tag d, const JacobianRow<T>& row,
                                                         Index j) {
    const auto one = hn::Set(d, T{1});
    const auto r = row.gate_at(d, kR, j);
    const auto z = row.gate_at(d, kZ, j);
    const auto n = row.gate_at(d, kN, j);
    const auto u_n = hn::LoadU(d, row.kept + j);
    const auto h_previous = hn::LoadU(d, row.h_previous + j);
    const auto dn =
        (one - n * n) * r * (row.weight_at(d, kN, j) + u_n * (one - r) * row.weight_at(d, kR, j));
    return {z + (one - z) * (dn + (h_previous - n) * z * row.weight_at(d, kZ, j))};
  }
};

}  // namespace seqbench
