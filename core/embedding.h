// Tokens to vectors, as nn.Embedding: y_i = table[token_i].
//
// Backward scatters: dtable[v] = Σ_{i: token_i = v} dy_i, summed in the order of i.
// No FLOPs forward, N·D backward; bound by memory.
#pragma once

#include <cstdint>
#include <span>
#include <type_traits>

#include "core/tensor.h"

namespace seqbench {

using Token = std::int32_t;

/// Assigns y [N, D] from N tokens in [0, V) and table [V, D].
template <typename T>
void embedding_forward(std::span<const Token> tokens,
                       MatrixView<const std::type_identity_t<T>> table, MatrixView<T> y);

/// Assigns dtable [V, D] from the forward's tokens and dy [N, D]; rows of unused tokens become 0.
template <typename T>
void embedding_backward(std::span<const Token> tokens, MatrixView<const std::type_identity_t<T>> dy,
                        MatrixView<T> dtable);

/// Adds the same to dtable [V, D].
template <typename T>
void add_embedding_gradient(std::span<const Token> tokens,
                            MatrixView<const std::type_identity_t<T>> dy, MatrixView<T> dtable);

}  // namespace seqbench
