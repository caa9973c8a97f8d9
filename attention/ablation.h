// What is taken away of scaled dot-product attention, to see what it is for.
//
// Each is how the layer computes (multi_head_attention.h), whatever its parameters hold: neither a
// start nor a step of training brings back what is gone. Parameters without an effect have a
// gradient of 0 and count among the layer's all the same.
#pragma once

namespace seqbench {

enum class Ablation {
  kNone,
  kFrozenQueriesAndKeys,  // Q and K by weights that are drawn once and never trained: who is heard
                          // is not learned
  kUnscaled,              // S = Q·Kᵀ, without 1/√d_k
  kIdentityValues,        // V = x: head h passes columns [h·d_k, (h + 1)·d_k) of its input on as
                          // they are
  kOneHead,               // d_k = D, whatever the number of heads asked for
  kNoSoftmax,             // P = S, 0 where a key is not seen: weights of either sign and any sum
};

}  // namespace seqbench
