// Multi-head self-attention as a SequenceLayer, equal to PyTorch's nn.MultiheadAttention with
// batch_first = True and query = key = value (Vaswani et al. 2017, sec. 3.2.2):
//
//   [Q K V] = x·W_inᵀ + b_in       head h: columns [h·d_k, (h + 1)·d_k) of each, d_k = D/H
//   O_h     = attention(Q_h, K_h, V_h)                         scaled_dot_product.h
//   y       = [O_1 … O_H]·W_outᵀ + b_out
//
// On request Q and K are turned by their positions before the kernel (rotary.h). Two controls take
// away what attention chooses by: `uniform` puts 0 in place of Q and K, so that O_h is the mean of
// the values seen and no parameter of Q and K has a gradient or an effect, whatever it holds;
// `window` leaves each token itself and its nearest neighbours (scaled_dot_product.h). What else
// can be taken away stands in ablation.h. Decode knows neither a window nor weights without a
// softmax.
//
// Parameters: in_proj_weight [3D, D], in_proj_bias [3D], out_proj.weight [D, D], out_proj.bias [D];
// the biases empty where they are left out.
//
// Cost by the convention of docs/architecture.md: forward 8·B·T·D² + 4·B·T²·D FLOPs, causal
// 8·B·T·D² + 2·B·T·(T + 1)·D, train three times that; decode, one token after T tokens of context,
// 8·B·D² + 4·B·(T + 1)·D.
#pragma once

#include <cstdint>
#include <memory>

#include "attention/ablation.h"
#include "attention/attention_map.h"
#include "core/dropout.h"
#include "core/gemm_options.h"
#include "core/sequence_layer.h"

namespace seqbench {

enum class AttentionKernel {
  kNaive,  // the T×T probabilities in memory
  kFused,  // tiles, online softmax, recomputation in backward
};

struct AttentionOptions {
  Index width = 0;  // D
  Index heads = 1;  // H, a divisor of D
  bool causal = false;
  AttentionKernel kernel = AttentionKernel::kFused;
  bool rotary = false;   // rotary positions
  bool uniform = false;  // the same weight for every token seen
  Index window = 0;  // tokens seen on one side, the query's own among them; 0: all. kNaive alone
  Ablation ablation = Ablation::kNone;  // kNoSoftmax: kNaive alone
  std::uint64_t frozen_seed = 0;        // of the weights of kFrozenQueriesAndKeys
  // Both outlive the layer, whose kernel must be kNaive; null: none.
  AttentionWatch* watch = nullptr;
  const Dropout* dropout = nullptr;  // of the weights
  bool biases = true;                // b_in and b_out
  // Of all products; kBfloat16 with kFused, without ablation. In decode in float alone.
  Factors factors = Factors::kAsTheyAre;
};

/// A layer with zero parameters. Throws std::invalid_argument when width or heads is below 1 or
/// heads does not divide width. The layer's decode throws std::length_error beyond one token more
/// than the context that was reserved.
template <typename T>
std::unique_ptr<SequenceLayer<T>> make_attention(const AttentionOptions& options);

/// What the layer's cost() returns, without a layer: nothing is allocated, whatever the shape.
/// state_bytes is the key-value cache of a decode step after `shape.steps` tokens of context:
/// 2·B·(T + 1)·D elements of T, or in bfloat16. Throws like make_attention.
template <typename T>
LayerCost attention_cost(const AttentionOptions& options, SequenceShape shape, Pass pass,
                         int workers);

/// What SequenceLayer::row_scratch() of such a layer says: there is a pass to few wanted tokens.
double attention_row_scratch(const AttentionOptions& options, SequenceShape shape, RowCounts rows);

}  // namespace seqbench
