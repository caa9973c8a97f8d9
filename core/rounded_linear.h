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
#include <type_traits>

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

/// The same for layers of any T, which give `panels` memory where they decode with factors in
/// bfloat16, in float alone.
template <typename T>
struct PackedLinear {
  MatrixView<const T> x;    // [M, C], C ≤ K
  Tensor<T>& panels;        // of rounded_weight_shape(), or empty
  Index inputs;             // K
  std::span<const T> bias;  // b [N], or empty: none
  MatrixView<T> y;          // [M, N], assigned; must not overlap x
  Tensor<T>& rounded_rows;  // of rounded_rows_shape(), scratch
};

/// Packs W [N, K] where `panels` has memory.
template <typename T>
void pack_where_rounded(const ThreadTeam& team, MatrixView<const T> weight, Tensor<T>& panels) {
  if constexpr (std::is_same_v<T, float>) {
    if (panels.size() > 0) pack_rounded_weight(team, weight, panels.data());
  }
}

/// Multiplies by the packed weight where there is one; else returns false.
template <typename T>
bool multiply_where_rounded(const ThreadTeam& team, const PackedLinear<T>& arguments) {
  if constexpr (std::is_same_v<T, float>) {
    if (arguments.panels.size() > 0) {
      rounded_linear(team, {.x = arguments.x,
                            .panels = arguments.panels.data(),
                            .inputs = arguments.inputs,
                            .bias = arguments.bias,
                            .y = arguments.y,
                            .rounded_x = arguments.rounded_rows.data()});
      return true;
    }
  }
  return false;
}

}  // namespace seqbench
