// Whether a launcher of MPI programs (mpirun, srun with PMIx or PMI) has started this process, as
// its environment tells before MPI is asked.
#pragma once

#include <optional>

namespace seqbench {

/// The rank that the launcher gave this process; nothing where there is no launcher.
std::optional<int> launched_rank();

}  // namespace seqbench
