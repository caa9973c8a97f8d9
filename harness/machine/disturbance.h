// What took the CPUs away from a repetition: other programs, the hypervisor, a quota.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <vector>

#include "core/thread_team.h"

namespace seqbench {

/// Over the time of one repetition, its probes included.
struct Disturbance {
  /// Share of the team's CPU time that the hypervisor gave to other machines. Counted by the kernel
  /// in ticks, mostly of 10 ms. Not a number where the kernel does not tell.
  double steal_fraction = 0;
  /// Share of the time in which a thread of the team was ready to run while something else had its
  /// CPU. That of the thread that waited longest, since the team waits for it. Not a number where
  /// the kernel does not tell.
  double wait_fraction = 0;
  /// Times that a thread of this process had to leave its CPU; nothing where the kernel does not
  /// tell.
  std::optional<Index> involuntary_switches = 0;
  /// Times that the CPU quota of a control group was used up; nothing where the groups cannot be
  /// seen.
  std::optional<Index> throttled = 0;
  /// Threads of the team that were not pinned to their CPUs at the start or at the end, of a team
  /// that has CPUs.
  Index unpinned_threads = 0;
};

/// Seconds that the hypervisor has taken from these CPUs since they started, as /proc/stat tells
/// (Linux's Documentation/filesystems/proc.rst); not a number where it does not tell for each.
double stolen_seconds(const std::vector<int>& cpus,
                      const std::filesystem::path& stat = "/proc/stat");

/// Seconds that the calling thread has been ready to run without a CPU (Linux's
/// Documentation/scheduler/sched-stats.rst); not a number where the kernel does not count them.
double waiting_seconds(const std::filesystem::path& schedstat = "/proc/thread-self/schedstat");

/// Counts from its construction.
class DisturbanceClock {
 public:
  /// `team` must outlive the clock.
  explicit DisturbanceClock(const ThreadTeam& team);
  Disturbance since_start() const;

 private:
  struct Counts {
    double stolen_seconds = 0;            // of all CPUs of the team
    std::vector<double> waiting_seconds;  // of each worker
    std::vector<char> is_pinned;          // of each worker
    std::optional<Index> involuntary_switches, throttled;
  };
  Counts count() const;

  const ThreadTeam& team_;
  std::vector<int> cpus_;
  std::chrono::steady_clock::time_point start_;
  Counts before_;
};

}  // namespace seqbench
