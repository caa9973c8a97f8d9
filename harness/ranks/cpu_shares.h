// Which CPUs a rank computes on: ranks on one machine get CPUs of their own where there are enough.
#pragma once

#include <string>
#include <vector>

#include "harness/machine/topology.h"

namespace seqbench {

/// Where a rank is, as it finds itself.
struct RankCpus {
  std::string host;
  std::vector<int> cpus;  // that it may use, one of each core first (usable_cpus())
};

/// The CPUs of a rank, one of each core first. Ranks that its launcher bound to other CPUs than
/// those around them keep these. Those of one host that may use the same CPUs share them out: whole
/// cores while there is one for each, else CPUs; where there are fewer CPUs than ranks, they take
/// one each in turn. The first ranks have one more where they do not come out even.
std::vector<int> cpus_of_rank(const std::vector<RankCpus>& places, int rank,
                              const Topology& topology);

/// Of places with the CPUs that ranks have in the end: why their times count for little, "" where
/// no CPU has two ranks.
std::string crowding(const std::vector<RankCpus>& places);

/// How many of them are on that rank's host.
int ranks_on_host_of(const std::vector<RankCpus>& places, int rank);

}  // namespace seqbench
