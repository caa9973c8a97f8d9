// Leaky integrators: each unit keeps a share of its state, which it learns, and fills up the rest
// with what it reads.
//
//   v_t = W·x_t
//   h_t = a ∘ h_{t−1} + (1 − a) ∘ v_t,   a = σ(α),   h_0 = 0
//
// A linear recurrence whose gates see neither input nor state (Mozer 1992, "Induction of multiscale
// temporal structure"). Parameters: weight_ih_l0 [D, D] (W) and decay_l0 [D] (α). Cost of a forward
// pass: 2·B·T·D² FLOPs.
#pragma once

/// Adds model `leaky` with the kernels `stepwise` (a product a step) and `scan` (one product, then
/// the steps).
void register_leaky();
