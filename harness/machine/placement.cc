#include "harness/machine/placement.h"

#include <omp.h>
#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>

#include "harness/base/errors.h"
#include "harness/machine/cgroup.h"

namespace seqbench {

void refuse_openmp_binding() {
  if (omp_get_proc_bind() == omp_proc_bind_false) return;
  for (const char* name : {"OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY"}) {
    if (const char* value = std::getenv(name)) {
      throw UsageError(std::string(name) + "='" + value + "' is not allowed; expected it unset, " +
                       "since seqbench pins its threads itself (restrict it with taskset)");
    }
  }
}

const Topology& machine_topology() {
  static const Topology found = read_topology();
  return found;
}

const std::vector<int>& affinity_mask() {
  static const std::vector<int> mask = [] {
    std::vector<int> found;
    cpu_set_t set;
    CPU_ZERO(&set);
    if (::sched_getaffinity(0, sizeof(set), &set) == 0) {
      for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &set)) found.push_back(cpu);
      }
    }
    if (found.empty()) found.push_back(0);
    return found;
  }();
  return mask;
}

const std::vector<int>& usable_cpus() {
  static const std::vector<int> cpus = [] {
    std::vector<int> found = spread_over_cores(affinity_mask(), machine_topology());
    const double quota = std::max(1.0, std::ceil(cgroup_quota().cpus));
    if (quota < double(found.size())) found.resize(static_cast<std::size_t>(quota));
    return found;
  }();
  return cpus;
}

ThreadTeam make_team(int threads) { return ThreadTeam(threads, usable_cpus()); }

int running_workers(int threads) {
  return std::min(threads, static_cast<int>(usable_cpus().size()));
}

std::vector<Index> default_thread_counts() {
  const auto all = static_cast<Index>(usable_cpus().size());
  return all == 1 ? std::vector<Index>{1} : std::vector<Index>{1, all};
}

}  // namespace seqbench
