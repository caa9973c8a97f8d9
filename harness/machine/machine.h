// What is true of the machine and the build: the part of machine.json that describes them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "harness/machine/probe.h"

namespace seqbench {

/// Most threads that a command may be asked for.
constexpr Index kMostThreads = 4096;

/// Throws UsageError naming the variable when OpenMP pins threads by itself: it has then narrowed
/// the affinity mask of the main thread before main(), and usable_cpus() could not see the others.
void refuse_openmp_binding();

/// CPUs that this process may use: the affinity mask, one CPU of each core first, cut to the
/// cgroup's CPU quota (rounded up). Taken once, when first called, since pinning narrows the mask
/// of the calling thread later.
const std::vector<int>& usable_cpus();

/// A team of `threads` workers on the usable CPUs; more threads than CPUs share them in turn.
/// Throws like ThreadTeam.
ThreadTeam make_team(int threads);

/// Of `threads` threads those that run at the same time: not more than there are usable CPUs.
int running_workers(int threads);

/// The thread counts that a command uses unless told otherwise: 1 and all CPUs.
std::vector<Index> default_thread_counts();

/// Host, CPU, caches, memory, compiler, flags, libraries, git commit, OpenMP and floating-point
/// state. What cannot be known is "unknown".
nlohmann::ordered_json describe_machine();

/// The probed limits of one number of threads.
nlohmann::ordered_json to_json(const MachineLimits& limits);

/// What of the machine is measured but belongs to no number of threads: the timer, the FMA peak of
/// 1, 2, … threads up to all usable CPUs, and CPUs that turn out to share a core. Throws
/// Interrupted.
nlohmann::ordered_json probe_machine();

/// The memory a case may use: the smallest of 0.75 × available memory, and of what the cgroup's
/// limit and RLIMIT_AS leave beside what this process has already.
double usable_memory_bytes();

/// Resident set of this process now, and at its highest since reset_peak_resident_bytes(), which is
/// false where the system does not let a process do so.
double resident_bytes();
double peak_resident_bytes();
bool reset_peak_resident_bytes();

/// `seqbench machine`.
int machine_command(const std::vector<std::string>& arguments);

}  // namespace seqbench
