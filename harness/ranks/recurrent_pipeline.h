// Elman, LSTM and GRU over ranks: rank r has the r-th block of steps of every sequence, and the
// ranks' time loops work behind each other as a pipeline.
//
//   forward    W_ih·x of all tokens at once, on all ranks at the same time; then, of one group of
//              sequences after the other: receive the state before the block from rank r − 1, run
//              the loop, send the state after it to rank r + 1
//   backward   the loops from the last rank to the first, group by group, with dL/d(state after) in
//              and dL/d(state before) out; then the products over all tokens (rnn/recurrent_
//              gradients.h). No gradient is cut off: the result is that of one rank
//
// With m groups (Huang et al. 2019, "GPipe": micro-batches) the loops of P ranks take as long as m
// + P − 1 groups of one of them, so that m/(m + P − 1) of the ranks' time is used at best; the
// products outside of the loop do not wait. A single sequence is one group: its ranks run one after
// the other.
//
// Sent by each rank but the last, forward: S·B·D elements in m messages, S = 2 vectors of an LSTM's
// state, 1 of the others'. Backward as much, by each but the first; besides, the sums of the
// parameters' gradients, 2·(P − 1)/P · (2·G·D² + 2·G·D) elements.
// Memory: that of a layer over the block, and four states.
#pragma once

#include <memory>
#include <string>

#include "harness/models/registry.h"
#include "harness/ranks/communicator.h"
#include "harness/ranks/rank_layer.h"
#include "harness/ranks/sequence_shares.h"

namespace seqbench {

/// As reason_against(), for elman, lstm and gru.
std::string reason_against_recurrent_pipeline(const LayerSpec& spec, SequenceShape whole,
                                              int ranks);

/// m: groups that B ≥ 1 sequences are cut into for P ≥ 1 ranks.
Index pipeline_groups(Index batch, int ranks);

/// m/(m + P − 1).
double pipeline_bound(Index batch, int ranks);

/// What one rank sends, with elements of so many bytes.
RankSends recurrent_pipeline_sends(const LayerSpec& spec, SequenceShape whole, Pass pass,
                                   const RankPlace& place, double element_bytes);

/// As make_rank_layer(), for elman, lstm and gru; throws std::invalid_argument for other models.
template <typename T>
std::unique_ptr<RankLayer<T>> make_sequence_parallel_recurrent(const LayerSpec& spec,
                                                               Communicator& ranks);

}  // namespace seqbench
