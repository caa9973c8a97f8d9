#include "rnn/recurrent_gradients.h"

#include <gtest/gtest.h>

#include "rnn/elman.h"
#include "rnn/gru.h"
#include "rnn/lstm.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

constexpr Index B = 3, T = 4, D = 5, C = 3;  // C channels of the input are there

/// Row k·D + j of a weight's gradient: Σ over tokens of du times what the weight met.
template <typename Cell>
void expect_sums_over_tokens(bool carries) {
  constexpr Index G = Cell::kGates, shared = Cell::kSharedGates;
  Random random(3);
  const auto x = normal_tensor<double>(random, {B, T, C});
  const auto y = normal_tensor<double>(random, {B, T, D});
  const auto h_start = normal_tensor<double>(random, {B, D});
  const auto weight = normal_tensor<double>(random, {G * D, C});
  auto da = normal_tensor<double>(random, {B, T, G * D});
  auto du_of_others = normal_tensor<double>(random, {B, T, D});
  Tensor<double> dx({B, T, C}), dw_ih({G * D, D}), dw_hh({G * D, D}), db_ih({G * D}),
      db_hh({G * D});
  Tensor<double> expected_ih(dw_ih.shape()), expected_hh(dw_hh.shape());
  Tensor<double> bias_ih(db_ih.shape()), bias_hh(db_hh.shape());
  for (Tensor<double>* tensor : {&dx, &dw_ih, &dw_hh, &db_ih, &db_hh}) {
    std::ranges::fill(tensor->values(), std::numeric_limits<double>::quiet_NaN());
  }
  for (Index b = 0; b < B; ++b) {
    for (Index t = 0; t < T; ++t) {
      for (Index row = 0; row < G * D; ++row) {
        const double da_row = da.sequence().sequence(b)(t, row);
        const double du_row =
            row < shared * D ? da_row : du_of_others.sequence().sequence(b)(t, row - shared * D);
        bias_ih[row] += da_row;
        bias_hh[row] += du_row;
        for (Index c = 0; c < C; ++c) {
          expected_ih.matrix()(row, c) += da_row * x.sequence().sequence(b)(t, c);
        }
        for (Index j = 0; j < D; ++j) {
          const double before = t > 0     ? y.sequence().sequence(b)(t - 1, j)
                                : carries ? h_start.matrix()(b, j)
                                          : 0;
          expected_hh.matrix()(row, j) += du_row * before;
        }
      }
    }
  }
  // Sums of at most n products of normal numbers, none above 5: n roundings of at most 25·n.
  const double n = double(std::max(B * T, G * D));
  const double bound = std::numeric_limits<double>::epsilon() * 25 * n * n;
  const ThreadTeam team;
  const SequenceView<double> kept =
      shared == G ? SequenceView<double>{nullptr, B, T, 0} : du_of_others.sequence();
  assign_input_gradients<double>(team, {.x = x.matrix(),
                                        .da = da.matrix(),
                                        .weight_ih = weight.matrix(),
                                        .dx = dx.matrix(),
                                        .dweight_ih = dw_ih.matrix(),
                                        .dbias_ih = db_ih.values()});
  for (Index token = 0; token < B * T; ++token) {
    for (Index c = 0; c < C; ++c) {
      double sum = 0;
      for (Index row = 0; row < G * D; ++row) {
        sum += da.matrix()(token, row) * weight.matrix()(row, c);
      }
      EXPECT_NEAR(dx.matrix()(token, c), sum, bound);
    }
  }
  assign_recurrent_gradients<Cell>(
      team, {.y = y.sequence(),
             .gates = da.sequence(),
             .kept = kept,
             .h_start = carries ? h_start.matrix() : MatrixView<const double>(),
             .dweight_hh = dw_hh.matrix(),
             .dbias_ih = db_ih.values(),
             .dbias_hh = db_hh.values()});
  EXPECT_LE(max_difference(dw_ih, expected_ih), bound);
  EXPECT_LE(max_difference(dw_hh, expected_hh), bound);
  EXPECT_LE(max_difference(db_ih, bias_ih), bound);
  EXPECT_LE(max_difference(db_hh, bias_hh), bound);
}

TEST(RecurrentGradients, AreSumsOverTokens) {
  for (const bool carries : {false, true}) {
    expect_sums_over_tokens<Elman<double>>(carries);
    expect_sums_over_tokens<Lstm<double>>(carries);
    expect_sums_over_tokens<Gru<double>>(carries);
  }
}

}  // namespace
}  // namespace seqbench
