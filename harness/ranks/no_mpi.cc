// In the place of mpi_ranks.cc where the build has no MPI.
#include "harness/base/errors.h"
#include "harness/ranks/mpi_ranks.h"

namespace seqbench {

bool has_mpi() { return false; }

std::string mpi_library() { return ""; }

int run_as_rank(const std::function<int(Communicator&)>& /*body*/) {
  throw UsageError("this build has no MPI");
}

}  // namespace seqbench
