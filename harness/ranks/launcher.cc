#include "harness/ranks/launcher.h"

#include <cstdlib>

#include "harness/base/command_line.h"

namespace seqbench {

std::optional<int> launched_rank() {
  // Open MPI; any launcher by PMIx; MPICH's and others by PMI.
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"}) {
    const char* text = std::getenv(name);
    if (text == nullptr) continue;
    if (const auto rank = integer_within(text, 0, kLargestInteger)) return int(*rank);
  }
  return std::nullopt;
}

}  // namespace seqbench
