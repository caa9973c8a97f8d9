// minGRU over ranks: rank r has the r-th block of steps of every sequence. Its recurrence h_t = (1
// − z) ∘ h_{t−1} + z ∘ h̃ is linear in h with factors that the input alone decides, so that a block
// does to the state before it, whatever that is,
//
//   h after = end + rest ∘ h before      end: from the state 0, rest = Π (1 − z)       [B, D] each
//
//   forward    every rank takes the gates of its tokens, end and rest, all at the same time; then
//   the
//              state goes from rank to rank, each of which applies its pair and hands it on; then
//              every rank blends its gates to h, all at the same time. The first rank, whose state
//              before is 0, needs one pass (rnn/mingru_scan.h says why two here, and not a
//              correction)
//   backward   the same from the end: dL/d(h before) = of this block + rest ∘ dL/d(h after)
//
// Each rank does all of its work at the same time as the others, but for P − 1 steps of B·D
// multiply-adds and messages. A tree over the ranks would take ⌈log₂ P⌉ of them, with two vectors
// in each message and more of them.
//
// Sent by each rank but the last, forward: B·D elements in one message. Backward as much, by each
// but the first; besides, the sums of the parameters' gradients, 2·(P − 1)/P · (2·D² + 2·D)
// elements. Memory: that of a layer over the block, the gates of its tokens in inference too, and
// four states.
#pragma once

#include <memory>
#include <string>

#include "harness/models/registry.h"
#include "harness/ranks/communicator.h"
#include "harness/ranks/rank_layer.h"
#include "harness/ranks/sequence_shares.h"

namespace seqbench {

/// As reason_against(), for mingru.
std::string reason_against_mingru_over_ranks(const LayerSpec& spec, SequenceShape whole, int ranks);

/// What one rank sends, with elements of so many bytes.
RankSends mingru_over_ranks_sends(const LayerSpec& spec, SequenceShape whole, Pass pass,
                                  const RankPlace& place, double element_bytes);

/// As make_rank_layer(), for mingru.
template <typename T>
std::unique_ptr<RankLayer<T>> make_sequence_parallel_mingru(const LayerSpec& spec,
                                                            Communicator& ranks);

}  // namespace seqbench
