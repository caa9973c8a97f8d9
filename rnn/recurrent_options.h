// What a recurrent layer is made of: its width, and the kernel that runs its time loop.
#pragma once

#include "core/gemm_options.h"
#include "core/tensor.h"
#include "rnn/newton_rules.h"

namespace seqbench {

/// Where the products stand; a ladder from the textbook upwards. All kernels agree up to rounding.
enum class RecurrentKernel {
  kStepwise,  // every product inside the time loop, forward and backward
  kHoisted,  // the loop holds W_hh·h_{t−1} and du_t·W_hh alone; input projections before it, dx and
             // weight gradients after it, each one product over all B·T tokens
  kPersistent,  // the same products outside the loop, but for inference's input in some shapes;
                // inside it the workers stay, with the packed weights in their caches
                // (rnn/persistent_loop.h)
  kNewton,      // the same products outside; all steps of a window at once, by Newton's method
                // (rnn/newton_loop.h)
};

struct RecurrentOptions {
  Index width = 1;  // D ≥ 1
  RecurrentKernel kernel = RecurrentKernel::kPersistent;
  NewtonRules newton = {};  // of the kernel of that name
  // Of all products; kBfloat16 not in kNewton.
  Factors factors = Factors::kAsTheyAre;
};

}  // namespace seqbench
