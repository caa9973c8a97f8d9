// The products behind the loop backward of a recurrent layer, over all tokens at once:
//
//   dx = da·W_ih    dW_ih = daᵀ·x    db_ih = Σ da    dW_hh = Σ_t du_tᵀ·h_{t−1}    db_hh = Σ du
//
// with da and du as rnn/cell.h has them. Cost: 6·G·N·D² FLOPs for N tokens.
#pragma once

#include <algorithm>
#include <span>

#include "core/bias.h"
#include "core/elementwise.h"
#include "core/gemm.h"
#include "core/tensor.h"
#include "core/thread_team.h"
#include "rnn/cell.h"

namespace seqbench {

template <typename T>
struct InputGradients {
  MatrixView<const T> x;          // [N, C], whose channels beyond C are 0
  MatrixView<const T> da;         // [N, G·D]
  MatrixView<const T> weight_ih;  // [G·D, C]
  MatrixView<T> dx;               // [N, C] assigned
  MatrixView<T> dweight_ih;       // [G·D, D] assigned
  std::span<T> dbias_ih;          // [G·D] assigned
  Factors factors = Factors::kAsTheyAre;
};

template <typename T>
void assign_input_gradients(const ThreadTeam& team, const InputGradients<T>& tokens) {
  const Index C = tokens.x.cols, D = tokens.dweight_ih.cols;
  gemm(team, tokens.da, tokens.weight_ih, tokens.dx, {.factors = tokens.factors});
  gemm(team, tokens.da, tokens.x, tokens.dweight_ih.column_block(0, C),
       {.transpose_a = true, .factors = tokens.factors});
  set_zero(tokens.dweight_ih.column_block(C, D - C));  // of channels that x lacks
  std::ranges::fill(tokens.dbias_ih, T{0});
  add_column_sums(team, tokens.da, tokens.dbias_ih.data());
}

/// Of a cell of rnn/cell.h.
template <typename C>
struct RecurrentGradients {
  using T = typename C::Scalar;

  SequenceView<const T> y;  // [B, T, D]
  SequenceView<T> gates;    // [B, T, G·D] in: da; out: step 0 zeroed
  SequenceView<T> kept;     // [B, T, K·D] in: du of the gates not shared; out: step 0 zeroed
  MatrixView<const T> h_start = {};  // [B, D] h_{−1}; empty: 0
  MatrixView<T> dweight_hh;          // [G·D, D] assigned
  std::span<const T> dbias_ih;       // [G·D] as assign_input_gradients() left it
  std::span<T> dbias_hh;             // [G·D] assigned
  Factors factors = Factors::kAsTheyAre;
};

template <typename C, typename T = typename C::Scalar>
void assign_recurrent_gradients(const ThreadTeam& team, const RecurrentGradients<C>& loop) {
  constexpr bool kAllShared = C::kSharedGates == C::kGates;
  const Index shared = C::kSharedGates * loop.y.width;  // du = da in these columns
  const MatrixView<T> da = loop.gates.tokens();
  std::ranges::fill(loop.dbias_hh, T{0});
  std::copy_n(loop.dbias_ih.data(), shared, loop.dbias_hh.data());
  if constexpr (!kAllShared) {
    add_column_sums(team, loop.kept.tokens(), loop.dbias_hh.data() + shared);
  }

  // dW_hh = Σ du_tᵀ·h_{t−1}. Where h_{−1} = 0, du_0 has no part in it, else one that is taken
  // first; with du_0 zeroed, du against y one token earlier is a single product over the tokens
  // of all sequences.
  const GemmOptions sum_over_tokens{.transpose_a = true, .factors = loop.factors};
  const Index pairs = da.rows - 1;
  const MatrixView<const T> h_previous = loop.y.tokens().row_block(0, pairs);
  const MatrixView<T> of_shared = loop.dweight_hh.row_block(0, shared);
  const bool carries = loop.h_start.data != nullptr;
  GemmOptions of_pairs = sum_over_tokens;
  of_pairs.accumulate = carries;
  const auto assign_start = [&](MatrixView<const T> du, MatrixView<T> dw_hh) {
    if (carries) gemm(team, du, loop.h_start, dw_hh, sum_over_tokens);
  };
  assign_start(loop.gates.step(0).column_block(0, shared), of_shared);
  set_zero(loop.gates.step(0));
  gemm(team, da.column_block(0, shared).row_block(1, pairs), h_previous, of_shared, of_pairs);
  if constexpr (!kAllShared) {
    const MatrixView<T> of_others =
        loop.dweight_hh.row_block(shared, loop.dweight_hh.rows - shared);
    assign_start(loop.kept.step(0), of_others);
    set_zero(loop.kept.step(0));
    gemm(team, loop.kept.tokens().row_block(1, pairs), h_previous, of_others, of_pairs);
  }
}

}  // namespace seqbench
