// The ranks that a launcher of MPI started. A build without MPI (no -DSEQBENCH_MPI=ON) has the same
// functions, of which has_mpi() says so.
#pragma once

#include <functional>
#include <string>

#include "harness/ranks/communicator.h"

namespace seqbench {

/// Whether this build has MPI.
bool has_mpi();

/// "Open MPI v4.1.4", on one line; "" where the build has none.
std::string mpi_library();

/// Calls `body` with the rank that this process is, between MPI_Init and MPI_Finalize, and returns
/// its exit code on rank 0, else 0. What other ranks print is dropped.
///
/// What goes wrong is told in one line by rank 0, and its exit code returned: a UsageError that is
/// thrown on all ranks (agree() in rank_texts.h), or anything that rank 0 throws while the others
/// can still be told to end. Anything else ends all ranks at once: their launcher kills those that
/// are left. Calls of the communicator that wait for a rank that has died throw RankLost when the
/// launcher asks rank 0 to end (SIGTERM), or when MPI itself tells.
///
/// Throws UsageError where the build has no MPI.
int run_as_rank(const std::function<int(Communicator&)>& body);

}  // namespace seqbench
