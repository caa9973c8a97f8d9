// Which CPUs a run may use, and the thread teams on them.
#pragma once

#include <string>
#include <vector>

#include "core/thread_team.h"
#include "harness/machine/topology.h"

namespace seqbench {

/// Most threads that a command may be asked for.
constexpr Index kMostThreads = 4096;

/// Throws UsageError naming the variable when OpenMP pins threads by itself: it has then narrowed
/// the affinity mask of the main thread before main(), and usable_cpus() could not see the others.
void refuse_openmp_binding();

/// Packages, cores and caches as the system tells them. Read once.
const Topology& machine_topology();

/// The CPUs that the main thread might run on when this was first called; empty where the system
/// does not tell.
const std::vector<int>& affinity_mask();

/// CPUs that this process may use: the affinity mask, or as many CPUs as are online where it is not
/// known; one CPU of each core first, cut to the cgroup's CPU quota (rounded up). Taken once, when
/// first called, since pinning narrows the mask of the calling thread later; or those of
/// keep_to_cpus().
const std::vector<int>& usable_cpus();

/// Makes these the usable CPUs from now on: of a rank that shares the machine with others. Teams
/// that were made before keep theirs.
void keep_to_cpus(std::vector<int> cpus);

/// Why threads cannot be pinned to each of `cpus`: the first of them that is refused, and the
/// system's reason; empty when they can.
std::string pinning_problem(const std::vector<int>& cpus);

/// A team of `threads` workers on the usable CPUs; more threads than CPUs share them in turn.
/// Throws like ThreadTeam.
ThreadTeam make_team(int threads);

/// How many of `threads` threads run at the same time: at most as many as there are usable CPUs.
int running_workers(int threads);

/// The thread counts that a command uses unless told otherwise: 1 and all CPUs.
std::vector<Index> default_thread_counts();

}  // namespace seqbench
