// Attention over ranks (Liu et al. 2023, "Ring Attention", sec. 3): a rank has some steps of every
// sequence, with their queries. Keys and values go round: in stage k rank r computes with those of
// rank r − k (mod P), while they are on their way to rank r + 1 and the next ones arrive.
//
//   forward    each query's (m, l, O) takes the blocks in, one after the other
//              (attention/key_blocks.h)
//   backward   dQ stays; dK and dV follow their block round the ring, one stage behind it, each
//              rank adding its queries' part, until they are back where the keys are from
//
// Causal, the steps are cut into 2P chunks of which rank r has chunks r and 2P − 1 − r. In stage 0
// it meets its own keys. Of a rank before it all its queries see the early chunk and none the late
// one; of a rank behind it its late queries see both chunks and its early ones none. So each stage
// is one block without holes, of half of all pairs on every rank, and nothing hidden is computed.
// Without causality a rank has one block of neighbouring steps.
//
// With N_r = B·T_r tokens of D channels on rank r, of which all ranks together have N = B·T:
//
//   sent forward    2·D·(N − N_next) elements in P − 1 messages, N_next those of rank r + 1
//   sent backward   the same, and 2·D·N elements in P messages (none where P = 1); besides, for
//                   the sums of the parameters' gradients, 2·(P − 1)/P · (4·D² + 4·D) elements
//   memory          forward, beside x and y, Q and two blocks of K and V, 5·D·N/P elements: O is
//                   collected in y. Training 16·D·N/P, and what the kernel takes for N/P tokens
#pragma once

#include <memory>
#include <string>

#include "harness/models/registry.h"
#include "harness/ranks/communicator.h"
#include "harness/ranks/rank_layer.h"
#include "harness/ranks/sequence_shares.h"

namespace seqbench {

/// As reason_against(), for attention.
std::string reason_against_ring_attention(const LayerSpec& spec, SequenceShape whole, int ranks);

/// What one rank sends, with elements of so many bytes.
RankSends ring_attention_sends(const LayerSpec& spec, SequenceShape whole, Pass pass,
                               const RankPlace& place, double element_bytes);

/// As make_rank_layer(), for attention. Throws std::invalid_argument as make_attention() does.
template <typename T>
std::unique_ptr<RankLayer<T>> make_sequence_parallel_attention(const LayerSpec& spec,
                                                               Communicator& ranks);

}  // namespace seqbench
