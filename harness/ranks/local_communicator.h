// Ranks that are threads of one process, for tests: messages are copied through queues.
#pragma once

#include <functional>

#include "harness/ranks/communicator.h"

namespace seqbench {

/// Runs `body` on `size` ≥ 1 threads at the same time, each with its own rank, and returns when all
/// have ended. When one throws, the calls of the others throw RankLost, and what it threw is
/// thrown here.
void run_local_ranks(int size, const std::function<void(Communicator&)>& body);

}  // namespace seqbench
