// The rows of some units' gates in a weight, packed into the panel from which the register block
// (core/register_block.h) reads them: transposed, all gates of a unit side by side.
#pragma once

#include <algorithm>

#include "core/elementwise.h"
#include "core/tensor.h"
#include "core/transpose.h"
#include "rnn/loop_plan.h"

namespace seqbench {

/// Gate k of unit j of the block stands in column k·columns + j; columns beyond the count are 0.
/// The panel's elements are T, or pairs of bfloat16.
template <typename T, typename P = T>
struct PackedGates {
  Index gates;               // G
  MatrixView<const T> from;  // W [G·D, C]
  const T* bias_from;        // b [G·D]
  MatrixView<P> to;          // [C, G·columns] assigned, C in elements of P
  T* bias;                   // [G·columns] assigned
};

template <typename T, typename P = T>
void pack_gates(const PackedGates<T, P>& packed, const UnitBlock& block) {
  const Index D = packed.from.rows / packed.gates, rest = block.columns - block.count;
  for (Index k = 0; k < packed.gates; ++k) {
    const Index column = k * block.columns;
    transpose(packed.from.row_block(k * D + block.first, block.count),
              packed.to.column_block(column, block.count));
    std::copy_n(packed.bias_from + k * D + block.first, block.count, packed.bias + column);
    if (rest == 0) continue;
    set_zero(packed.to.column_block(column + block.count, rest));
    std::fill_n(packed.bias + column + block.count, rest, T{0});
  }
}

}  // namespace seqbench
