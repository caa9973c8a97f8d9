// What took the CPUs away from a repetition: other programs, the hypervisor, a quota.
#pragma once

#include <chrono>
#include <vector>

#include "core/thread_team.h"

namespace seqbench {

/// Over the time of one repetition, its probes included.
struct Disturbance {
  /// Share of the team's CPU time that the hypervisor gave to other machines. Counted by the kernel
  /// in ticks, mostly of 10 ms.
  double steal_fraction = 0;
  /// Share of the time in which a thread of the team was ready to run while something else had its
  /// CPU. That of the thread that waited longest, since the team waits for it. Not a number where
  /// the kernel does not tell.
  double wait_fraction = 0;
  /// Times that a thread of this process had to leave its CPU.
  Index involuntary_switches = 0;
  /// Times that the CPU quota of a control group was used up.
  Index throttled = 0;
};

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
    Index involuntary_switches = 0, throttled = 0;
  };
  Counts count() const;

  const ThreadTeam& team_;
  std::vector<int> cpus_;
  std::chrono::steady_clock::time_point start_;
  Counts before_;
};

}  // namespace seqbench
