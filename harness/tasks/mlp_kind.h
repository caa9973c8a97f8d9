// What follows a residual block's second norm (block.h has the formulas).
#pragma once

namespace seqbench {

enum class MlpKind {
  kRelu,
  kGelu,      // in its tanh form (core/gelu.h)
  kIdentity,  // the norm's output itself, as in Zoology's blocks (Arora et al. 2023)
};

}  // namespace seqbench
