// What a matrix product of core/gemm.h does with its operands.
#pragma once

namespace seqbench {

/// C = op(A)·op(B) [+ C], op(X) = X or Xᵀ.
struct GemmOptions {
  bool transpose_a = false;
  bool transpose_b = false;
  bool accumulate = false;  // add to C instead of assigning it
};

}  // namespace seqbench
