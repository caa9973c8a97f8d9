// Strategy `data`, of every model: a rank has whole sequences, which it computes as one process
// would, with any kernel. Forward the ranks say nothing to each other. Backward the gradients of
// the parameters are summed over the ranks, each tensor on its own: 2·(P − 1)/P of their bytes are
// sent by each rank.
#pragma once

#include <memory>

#include "harness/models/registry.h"
#include "harness/ranks/communicator.h"
#include "harness/ranks/rank_layer.h"

namespace seqbench {

/// The sequences of a rank are neighbours; the first ranks have one more where they do not come out
/// even. `ranks` outlives the layer.
template <typename T>
std::unique_ptr<RankLayer<T>> make_data_parallel(const LayerSpec& spec, Communicator& ranks);

}  // namespace seqbench
