// The layers of ranks by model and strategy.
#pragma once

#include <memory>
#include <string>

#include "harness/models/registry.h"
#include "harness/ranks/communicator.h"
#include "harness/ranks/rank_layer.h"

namespace seqbench {

/// Why so many ranks cannot compute that together ("2 steps for 3 ranks"); "" if they can.
std::string reason_against(const LayerSpec& spec, Strategy strategy, SequenceShape whole,
                           int ranks);

/// This rank's part; `ranks` outlives it. Parameters are zero. Throws std::invalid_argument where
/// the model lacks the strategy; a shape that reason_against() names is not to be reserved.
template <typename T>
std::unique_ptr<RankLayer<T>> make_rank_layer(const LayerSpec& spec, Strategy strategy,
                                              Communicator& ranks);

}  // namespace seqbench
