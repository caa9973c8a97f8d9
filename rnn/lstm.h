// Long short-term memory (Hochreiter & Schmidhuber 1997) with the forget gate of Gers, Schmidhuber
// & Cummins 2000 and without peepholes, as nn.LSTM states it. With a, u [4·D] in the order i f g o:
//
//   i = σ(a_i + u_i)    f = σ(a_f + u_f)    g = tanh(a_g + u_g)    o = σ(a_o + u_o)
//   c_t = f ∘ c_{t−1} + i ∘ g
//   h_t = o ∘ tanh(c_t)
//
// Cost per token: 16·D² FLOPs in the loop's two products; the step reads 9·D elements (a, u,
// c_{t−1}) and writes 6·D. Kept for backward: i f g o in the place of a, and c_t; tanh(c_t) is
// cheaper recomputed than moved.
#pragma once

#include "rnn/cell.h"

namespace seqbench {

template <typename T>
struct Lstm {
  using Scalar = T;
  static constexpr Index kGates = 4;
  static constexpr Index kSharedGates = 4;
  static constexpr Index kKept = 1;           // c
  static constexpr bool kCarriesKept = true;  // c_{t−1} enters step t
  static constexpr Index kI = 0, kF = 1, kG = 2, kO = 3;
  static constexpr Index kKeepingGate = kF;

  static void step(const StepRow<T>& row) {
    for_each_vector<T>(row.units, [&](auto d, Index j) {
      const auto i = sigmoid(d, row.a_at(d, kI, j) + row.u_at(d, kI, j));
      const auto f = sigmoid(d, row.a_at(d, kF, j) + row.u_at(d, kF, j));
      const auto g = tanh(d, row.a_at(d, kG, j) + row.u_at(d, kG, j));
      const auto o = sigmoid(d, row.a_at(d, kO, j) + row.u_at(d, kO, j));
      const auto c = f * hn::LoadU(d, row.kept_previous + j) + i * g;
      const auto h = o * tanh(d, c);
      row.store_gate(d, kI, j, i);
      row.store_gate(d, kF, j, f);
      row.store_gate(d, kG, j, g);
      row.store_gate(d, kO, j, o);
      hn::StoreU(c, d, row.kept + j);
      hn::StoreU(h, d, row.h + j);
    });
  }

  /// dc += dh ∘ o ∘ (1 − tanh²c), then the product rule on c_t and σ′ = σ(1 − σ), tanh′ = 1 −
  /// tanh²; h_{t−1} acts through u alone, c_{t−1} through f ∘ c_{t−1}.
  static void step_backward(const StepBackwardRow<T>& row) {
    for_each_vector<T>(row.units, [&](auto d, Index j) {
      const auto one = hn::Set(d, T{1});
      const auto i = row.gate_at(d, kI, j);
      const auto f = row.gate_at(d, kF, j);
      const auto g = row.gate_at(d, kG, j);
      const auto o = row.gate_at(d, kO, j);
      const auto c_previous = hn::LoadU(d, row.kept_previous + j);
      const auto tanh_c = tanh(d, hn::LoadU(d, row.kept + j));

      const auto dh = row.dh_at(d, j);
      const auto dc = hn::LoadU(d, row.dkept + j) + dh * o * (one - tanh_c * tanh_c);
      const auto da_i = dc * g * i * (one - i);
      const auto da_f = dc * c_previous * f * (one - f);
      const auto da_g = dc * i * (one - g * g);
      const auto da_o = dh * tanh_c * o * (one - o);
      row.store_gradients(d, kI, j, da_i, da_i);
      row.store_gradients(d, kF, j, da_f, da_f);
      row.store_gradients(d, kG, j, da_g, da_g);
      row.store_gradients(d, kO, j, da_o, da_o);
      hn::StoreU(dc * f, d, row.dkept + j);
      hn::StoreU(hn::Zero(d), d, row.dh + j);
    });
  }

  /// ∂c = f in c; in h: c_{t−1} ∘ f(1 − f) ∘ w_f + g ∘ i(1 − i) ∘ w_i + i ∘ (1 − g²) ∘ w_g.
  /// ∂h = o ∘ (1 − tanh²c) ∘ ∂c, and in h besides tanh(c) ∘ o(1 − o) ∘ w_o.
  template <class Tag>
  static HWY_INLINE TwoStateJacobian<hn::Vec<Tag>> jacobian(Tag d, const JacobianRow<T>& row,
                                                            Index j) {
    const auto one = hn::Set(d, T{1});
    const auto i = row.gate_at(d, kI, j);
    const auto f = row.gate_at(d, kF, j);
    const auto g = row.gate_at(d, kG, j);
    const auto o = row.gate_at(d, kO, j);
    const auto c_previous = hn::LoadU(d, row.kept_previous + j);
    const auto tanh_c = tanh(d, hn::LoadU(d, row.kept + j));
    const auto ch = c_previous * f * (one - f) * row.weight_at(d, kF, j) +
                    g * i * (one - i) * row.weight_at(d, kI, j) +
                    i * (one - g * g) * row.weight_at(d, kG, j);
    const auto dh_dc = o * (one - tanh_c * tanh_c);
    return {.hh = dh_dc * ch + tanh_c * o * (one - o) * row.weight_at(d, kO, j),
            .hc = dh_dc * f,
            .ch = ch,
            .cc = f};
  }
};

}  // namespace seqbench
