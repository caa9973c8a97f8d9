// The machine's packages, cores and caches, as hwloc finds them.
#pragma once

#include <string>
#include <vector>

namespace seqbench {

/// Caches of one level and type that have the same size.
struct CacheKind {
  int level = 0;
  std::string type;  // "data", "instruction", "unified"
  double bytes = 0;  // of each
  int count = 0;
  std::string first_cpus;  // that share the first one: "0-1"
};

/// What this process may see of the machine. A virtual machine may tell nothing of it, or what is
/// not true; probes do not rely on it.
struct Topology {
  int packages = 0, numa_nodes = 0, cores = 0, cpus = 0;  // 0 where unknown
  std::vector<CacheKind> caches;                          // from level 1 on
  std::vector<std::vector<int>> cpus_of_cores;
};

/// Reads the topology. Changes no thread's affinity. Empty when hwloc cannot read it.
Topology read_topology();

/// `cpus` in another order: the first of each core, then the second of each, …; otherwise as given.
/// A team that is smaller than the machine so gets cores of its own.
std::vector<int> spread_over_cores(const std::vector<int>& cpus, const Topology& topology);

/// Version of the library, "2.9.0".
std::string hwloc_version();

}  // namespace seqbench
