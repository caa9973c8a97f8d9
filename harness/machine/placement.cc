#include "harness/machine/placement.h"

#include <omp.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "core/affinity.h"
#include "harness/base/errors.h"
#include "harness/machine/cgroup.h"

namespace seqbench {
namespace {

/// As many as the system says are online, from 0 on; one when it does not say.
std::vector<int> online_cpus() {
  std::vector<int> cpus(static_cast<std::size_t>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN))));
  std::iota(cpus.begin(), cpus.end(), 0);
  return cpus;
}

}  // namespace

void refuse_openmp_binding() {
  if (omp_get_proc_bind() == omp_proc_bind_false) return;
  for (const char* name : {"OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY"}) {
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
  static const std::vector<int> mask = allowed_cpus().value_or(std::vector<int>());
  return mask;
}

namespace {

std::vector<int>& own_cpus() {
  static std::vector<int> cpus = [] {
    const std::vector<int>& mask = affinity_mask();
    std::vector<int> found =
        spread_over_cores(mask.empty() ? online_cpus() : mask, machine_topology());
    const double quota = std::max(1.0, std::ceil(cgroup_quota().cpus));
    if (quota < double(found.size())) found.resize(static_cast<std::size_t>(quota));
    return found;
  }();
  return cpus;
}

}  // namespace

const std::vector<int>& usable_cpus() { return own_cpus(); }

void keep_to_cpus(std::vector<int> cpus) { own_cpus() = std::move(cpus); }

std::string pinning_problem(const std::vector<int>& cpus) {
  std::string problem;
  // In a thread of its own: the caller stays where it is.
  std::thread([&] {
    for (const int cpu : cpus) {
      const int error = pin_to(cpu);
      if (error == 0) continue;
      problem = "CPU " + std::to_string(cpu) + ": " + std::generic_category().message(error);
      return;
    }
  }).join();
  return problem;
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
