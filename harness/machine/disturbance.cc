#include "harness/machine/disturbance.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include "harness/machine/cgroup.h"

namespace seqbench {
namespace {

/// Seconds that the hypervisor has taken from these CPUs since they started (/proc/stat).
double stolen_seconds(const std::vector<int>& cpus) {
  static const double ticks_per_second = double(::sysconf(_SC_CLK_TCK));
  std::ifstream file("/proc/stat");
  double ticks = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string name;
    fields >> name;
    if (name.size() < 4 || name.compare(0, 3, "cpu") != 0) continue;
    if (std::find(cpus.begin(), cpus.end(), std::stoi(name.substr(3))) == cpus.end()) continue;
    double user, nice, system, idle, iowait, irq, softirq, steal;
    if (fields >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> steal) {
      ticks += steal;
    }
  }
  return ticks / ticks_per_second;
}

/// Seconds that the calling thread has been ready to run without a CPU (Linux's
/// Documentation/scheduler/sched-stats.rst); not a number where the kernel does not count them.
double waiting_seconds() {
  double running = 0, waiting = 0;  // nanoseconds
  if (std::ifstream("/proc/thread-self/schedstat") >> running >> waiting) return 1e-9 * waiting;
  return std::numeric_limits<double>::quiet_NaN();
}

Index involuntary_switches() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nivcsw;
}

/// The CPUs that a team's workers are pinned to.
std::vector<int> cpus_of(const ThreadTeam& team) {
  std::vector<int> cpus = team.cpus();
  cpus.resize(std::min(cpus.size(), static_cast<std::size_t>(team.size())));
  return cpus;
}

}  // namespace

DisturbanceClock::DisturbanceClock(const ThreadTeam& team)
    : team_(team),
      cpus_(cpus_of(team)),
      start_(std::chrono::steady_clock::now()),
      before_(count()) {}

DisturbanceClock::Counts DisturbanceClock::count() const {
  Counts counts{.stolen_seconds = stolen_seconds(cpus_),
                .waiting_seconds = std::vector<double>(static_cast<std::size_t>(team_.size())),
                .involuntary_switches = involuntary_switches(),
                .throttled = throttled_periods()};
  team_.on_every_worker([&counts](int worker) {
    counts.waiting_seconds[static_cast<std::size_t>(worker)] = waiting_seconds();
  });
  return counts;
}

Disturbance DisturbanceClock::since_start() const {
  const Counts now = count();
  const double elapsed =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  double longest_wait = 0;
  for (std::size_t worker = 0; worker < now.waiting_seconds.size(); ++worker) {
    const double wait = now.waiting_seconds[worker] - before_.waiting_seconds[worker];
    if (!(wait <= longest_wait)) longest_wait = wait;  // keeps what is not a number
  }
  return {.steal_fraction = cpus_.empty() ? 0
                                          : (now.stolen_seconds - before_.stolen_seconds) /
                                                elapsed / double(cpus_.size()),
          .wait_fraction = longest_wait / elapsed,
          .involuntary_switches = now.involuntary_switches - before_.involuntary_switches,
          .throttled = now.throttled - before_.throttled};
}

}  // namespace seqbench
