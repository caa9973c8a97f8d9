// Losses with mean reduction, as torch.nn.functional.cross_entropy and mse_loss.
//
//   cross-entropy  L = 1/n · Σ_i (log Σ_v e^{x_iv} − x_{i,target_i})
//                  dx_i = (softmax(x_i) − onehot(target_i))/n
//   MSE            L = 1/n · Σ_i (x_i − target_i)²,   dx_i = 2·(x_i − target_i)/n
//
// n counts the selected positions only: a row whose target is kNoTarget adds neither loss nor
// gradient. Sums run in double, in the order of the rows.
#pragma once

#include <span>
#include <type_traits>

#include "core/embedding.h"
#include "core/tensor.h"

namespace seqbench {

constexpr Token kNoTarget = -100;  // PyTorch's ignore_index

/// Mean over the selected rows of logits [N, V]; targets [N] in [0, V) or kNoTarget, at least one
/// of them selected. probabilities [N, V] = softmax(logits) is assigned and goes unchanged to
/// backward; it may be logits. losses, [N] unless it is empty, is assigned each row's loss, 0 where
/// it is not selected.
template <typename T>
double cross_entropy_forward(MatrixView<const std::type_identity_t<T>> logits,
                             std::span<const Token> targets, MatrixView<T> probabilities,
                             std::span<double> losses = {});

/// Assigns dlogits [N, V]; may be probabilities.
template <typename T>
void cross_entropy_backward(MatrixView<const std::type_identity_t<T>> probabilities,
                            std::span<const Token> targets, MatrixView<T> dlogits);

/// Mean over n ≥ 1 predictions.
template <typename T>
double mse_forward(std::span<const T> predictions, std::span<const T> targets);

/// Assigns dpredictions [n]; may be predictions.
template <typename T>
void mse_backward(std::span<const std::type_identity_t<T>> predictions,
                  std::span<const std::type_identity_t<T>> targets, std::span<T> dpredictions);

}  // namespace seqbench
