// Elman, LSTM and GRU as sequence layers: D in, D out, from the state 0 unless carry() says
// another, PyTorch's parameters
//
//   weight_ih_l0 [G·D, D]    weight_hh_l0 [G·D, D]    bias_ih_l0 [G·D]    bias_hh_l0 [G·D]
//
// with G = 1, 4 (i f g o), 3 (r z n). The equations stand in rnn/elman.h, rnn/lstm.h and rnn/gru.h,
// the time loops that all three share in rnn/recurrent_layer.cc and rnn/persistent_loop.h.
//
// Cost of a forward pass: 4·G·B·T·D² FLOPs, half of them in the input products, which need no loop,
// half in the recurrent ones, which do. Each step reads W_hh (G·D² elements) again: with a small
// batch that, and not the FLOPs, is the limit.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/sequence_layer.h"
#include "rnn/recurrent_options.h"

namespace seqbench {

/// A layer of a cell, whose parameters are zero; initialise() draws all of them from U(±1/√D).
/// backward() consumes what forward kept: one backward for each forward. Decode keeps no memory of
/// the context but the state, and so does prefill, which projects its inputs step by step whatever
/// the kernel. Throws std::invalid_argument when width < 1. For the cells that recurrent_layer.cc
/// names at its end, in float and double.
template <template <typename> class Cell, typename T>
std::unique_ptr<SequenceLayer<T>> make_recurrent(const RecurrentOptions& options);

/// What SequenceLayer::cost() of such a layer says, without one.
template <template <typename> class Cell, typename T>
LayerCost cost_of_recurrent(const RecurrentOptions& options, SequenceShape shape, Pass pass,
                            int workers);

/// What its SequenceLayer::row_scratch() says.
template <template <typename> class Cell>
double row_scratch_of_recurrent(const RecurrentOptions& options, RowCounts rows);

template <typename T>
struct Elman;
template <typename T>
struct Lstm;
template <typename T>
struct Gru;

/// The same by name.
template <typename T>
std::unique_ptr<SequenceLayer<T>> make_elman(const RecurrentOptions& options) {
  return make_recurrent<Elman, T>(options);
}
template <typename T>
std::unique_ptr<SequenceLayer<T>> make_lstm(const RecurrentOptions& options) {
  return make_recurrent<Lstm, T>(options);
}
template <typename T>
std::unique_ptr<SequenceLayer<T>> make_gru(const RecurrentOptions& options) {
  return make_recurrent<Gru, T>(options);
}

/// Of such a layer's last forward with Keep::kForBackward, before its backward: the mean over
/// tokens and units of the gate that keeps the state, the LSTM's f or the GRU's z. Empty for
/// others.
template <typename T>
std::optional<double> keeping_gate_mean(const SequenceLayer<T>& layer);

/// How that layer's time loop runs on so many workers at the same time (rnn/loop_plan.h), such as
/// "matrix-vector units/2" or "register-block sequences/2"; "" for a kernel without a choice.
std::string recurrent_form(const RecurrentOptions& options, SequenceShape shape, Pass pass,
                           int workers);

}  // namespace seqbench
