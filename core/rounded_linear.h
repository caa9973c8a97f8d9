// The affine map of core/linear.h with factors in bfloat16 (core/bfloat16.h), by a weight that is
// rounded and packed once for many products of few rows: what decode reads for every token.
//
//   y = x·Wᵀ + b
//
// W's columns of outputs are cut into panels that are as wide as a single row's register block and
// lie one behind the other, each without gaps, so that a row reads W as it lies. Sums are float,
// from b on, in the order of the depth whatever the number of rows and workers is.
//
// Cost for x [M, K], y [M, N]: 2·M·N·K FLOPs, 2·N·K bytes of W; to pack, 4·N·K bytes read.
#pragma once

#include <span>

#include "core/buffers.h"
#include "core/tensor.h"
#include "core/thread_team.h"

namespace seqbench {

/// Memory of a packed W [N, K], in floats.
BufferShape rounded_weight_shape(Index outputs, Index inputs);

/// Memory of the rounded rows of x [M, K], in floats.
BufferShape rounded_rows_shape(Index rows, Index inputs);

/// Assigns `panels`, of rounded_weight_shape(), from W [N, K].
void pack_rounded_weight(const ThreadTeam& team, MatrixView<const float> weight, float* panels);

struct RoundedLinear {
  MatrixView<const float> x;    // [M, C], C ≤ K: of the channels beyond, x is 0
  float* panels;                // as pack_rounded_weight() left them; unchanged
  Index inputs;                 // K
  std::span<const float> bias;  // b [N], or empty: none
  MatrixView<float> y;          // [M, N], assigned; must not overlap x
  float* rounded_x;             // rounded_rows_shape(M, C), scratch
};

void rounded_linear(const ThreadTeam& team, const RoundedLinear& arguments);

}  // namespace seqbench
