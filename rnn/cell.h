// What the time loop hands to a cell: one sequence at one time step.
//
// Every recurrent layer here computes, for G gates of D units each,
//
//   a_t = W_ih·x_t + b_ih        u_t = W_hh·h_{t−1} + b_hh        h_t = cell(a_t, u_t, state)
//
// The loop owns the products, a cell owns the pointwise rest. a and u stay apart because the GRU
// scales u by its reset gate before it adds a. A cell is a struct template of
//
//   kGates        G; gate k of a row of G·D elements is [k·D, (k+1)·D)
//   kSharedGates  how many leading gates reach the loss through a + u alone, so that du = da there
//   kKept         vectors of D per token that it keeps besides its gates, for backward or, where
//                 kCarriesKept, as a second state; the du of the gates that are not shared takes
//                 their place in backward
//   kKeepingGate  the gate that says how much of a unit's state stays; −1: there is none
//   step, step_backward
//   jacobian      of the states of step t in those of step t − 1, where W_hh is its diagonal alone:
//                 no unit sees another; what the kernel `newton` (rnn/newton_loop.h) solves by
//
// They work on some neighbouring units of one sequence; j counts from the first of them. Rows of a
// step never alias each other except where a field says so.
#pragma once

#include <hwy/highway.h>

#include "core/simd.h"
#include "core/tensor.h"

namespace seqbench {

/// The same units of every gate; gate k starts at data + k·stride.
template <typename T>
struct GateRows {
  T* data;
  Index stride;

  T* gate(Index k) const { return data + k * stride; }
};

/// Forward, one sequence, one step. Letters as above; n = units.
template <typename T>
struct StepRow {
  Index units;          // n
  GateRows<const T> a;  // [G, n] W_ih·x_t + b_ih
  GateRows<const T> u;  // [G, n] W_hh·h_{t−1} + b_hh
  GateRows<T> gates;    // [G, n] assigned the activated gates, where a cell has any; may be a or u
  const T* h_previous;  // [n] h_{t−1}
  T* h;                 // [n] assigned h_t; may be h_previous
  const T* kept_previous;  // [kKept·n] of step t−1, zero at t = 0; may be `kept`
  T* kept;                 // [kKept·n] assigned

  /// Elements j… of gate k of a_t.
  template <class Tag>
  HWY_INLINE hn::Vec<Tag> a_at(Tag d, Index k, Index j) const {
    return hn::LoadU(d, a.gate(k) + j);
  }
  /// Elements j… of gate k of u_t.
  template <class Tag>
  HWY_INLINE hn::Vec<Tag> u_at(Tag d, Index k, Index j) const {
    return hn::LoadU(d, u.gate(k) + j);
  }
  template <class Tag>
  HWY_INLINE void store_gate(Tag d, Index k, Index j, hn::Vec<Tag> gate) const {
    hn::StoreU(gate, d, gates.gate(k) + j);
  }
};

/// Backward of that step. h_{t−1} reaches the loss through u, which the loop follows (du·W_hh), and
/// directly where the cell has such a path, which the cell follows.
template <typename T>
struct StepBackwardRow {
  Index units;              // n
  const T* h;               // [n] h_t
  const T* h_previous;      // [n] h_{t−1}, zero at t = 0
  const T* dy;              // [n] gradient of y_t = h_t from outside
  GateRows<const T> gates;  // [G, n] as step left them
  GateRows<T> da;           // [G, n] assigned; may be gates
  GateRows<T> du;           // [G, n] assigned
  const T* kept;            // [kKept·n] as step left them
  T* kept_du;               // [kKept·n] assigned du of the gates not shared, where there are such;
                            // may be kept
  const T* kept_previous;   // [kKept·n] of step t−1, zero at t = 0
  T* dh;                    // [n] in: gradient of h_t from step t+1; out: of h_{t−1}, direct part
  T* dkept;                 // [kKept·n] in: gradient of the second state from step t+1; out: its
                            // gradient at t−1. Only where kCarriesKept.

  /// Elements j… of the whole gradient of h_t.
  template <class Tag>
  HWY_INLINE hn::Vec<Tag> dh_at(Tag d, Index j) const {
    return hn::LoadU(d, dy + j) + hn::LoadU(d, dh + j);
  }
  template <class Tag>
  HWY_INLINE hn::Vec<Tag> gate_at(Tag d, Index k, Index j) const {
    return hn::LoadU(d, gates.gate(k) + j);
  }
  /// Gate k's da and du.
  template <class Tag>
  HWY_INLINE void store_gradients(Tag d, Index k, Index j, hn::Vec<Tag> da_k,
                                  hn::Vec<Tag> du_k) const {
    hn::StoreU(da_k, d, da.gate(k) + j);
    hn::StoreU(du_k, d, du.gate(k) + j);
  }
};

/// Where the Jacobian of a step is taken: after that step forward.
template <typename T>
struct JacobianRow {
  GateRows<const T> weights;  // [G, n] element j of gate k: that of W_hh in row k·D + j, column j
  GateRows<const T> gates;    // [G, n] as step left them
  const T* h;                 // [n] h_t
  const T* h_previous;        // [n] h_{t−1}
  const T* kept;              // [kKept·n] as step left them
  const T* kept_previous;     // [kKept·n] of step t−1

  template <class Tag>
  HWY_INLINE hn::Vec<Tag> weight_at(Tag d, Index k, Index j) const {
    return hn::LoadU(d, weights.gate(k) + j);
  }
  template <class Tag>
  HWY_INLINE hn::Vec<Tag> gate_at(Tag d, Index k, Index j) const {
    return hn::LoadU(d, gates.gate(k) + j);
  }
};

/// Of a cell whose state is h: ∂h_t/∂h_{t−1} of some units.
template <class V>
struct StateJacobian {
  V hh;
};
/// Of a cell that carries a second state c: ∂h_t/∂h_{t−1}, ∂h_t/∂c_{t−1}, ∂c_t/∂h_{t−1},
/// ∂c_t/∂c_{t−1}.
template <class V>
struct TwoStateJacobian {
  V hh, hc, ch, cc;
};

}  // namespace seqbench
