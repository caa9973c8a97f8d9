// What a matrix product of core/gemm.h does with its operands.
#pragma once

namespace seqbench {

/// What the factors of a product are rounded to before it. Its sums are kept in the type of C.
enum class Factors {
  kAsTheyAre,
  kBfloat16,
};

/// C = op(A)·op(B) [+ C], op(X) = X or Xᵀ.
struct GemmOptions {
  bool transpose_a = false;
  bool transpose_b = false;
  bool accumulate = false;  // add to C instead of assigning it
  Factors factors = Factors::kAsTheyAre;
};

}  // namespace seqbench
