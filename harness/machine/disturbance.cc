#include "harness/machine/disturbance.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>
#include <string>

#include "core/affinity.h"
#include "harness/machine/cgroup.h"

namespace seqbench {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

std::optional<Index> involuntary_switches() {
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return std::nullopt;
  return usage.ru_nivcsw;
}

/// Nothing where one is not known, or where the count went back: then it is another's.
std::optional<Index> increase(std::optional<Index> before, std::optional<Index> now) {
  if (!before || !now || *now < *before) return std::nullopt;
  return *now - *before;
}

/// The CPUs that a team's workers are pinned to.
std::vector<int> cpus_of(const ThreadTeam& team) {
  std::vector<int> cpus = team.cpus();
  cpus.resize(std::min(cpus.size(), static_cast<std::size_t>(team.size())));
  return cpus;
}

}  // namespace

double stolen_seconds(const std::vector<int>& cpus, const std::filesystem::path& stat) {
  static const double ticks_per_second = double(::sysconf(_SC_CLK_TCK));
  if (cpus.empty() || ticks_per_second <= 0) return kUnknown;
  std::map<std::string, double> ticks_of;
  std::ifstream file(stat);
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string name;
    double user, nice, system, idle, iowait, irq, softirq, steal;
    if (fields >> name >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> steal) {
      ticks_of[name] = steal;
    }
  }
  double ticks = 0;
  for (const int cpu : cpus) {
    const auto found = ticks_of.find("cpu" + std::to_string(cpu));
    if (found == ticks_of.end()) return kUnknown;
    ticks += found->second;
  }
  return ticks / ticks_per_second;
}

double waiting_seconds(const std::filesystem::path& schedstat) {
  double running = 0, waiting = 0, times = 0;  // nanoseconds; times that it got a CPU
  std::ifstream file(schedstat);
  // A kernel that does not count says that the thread never got the CPU on which it asks.
  if (file >> running >> waiting >> times && times > 0) return 1e-9 * waiting;
  return kUnknown;
}

DisturbanceClock::DisturbanceClock(const ThreadTeam& team)
    : team_(team),
      cpus_(cpus_of(team)),
      start_(std::chrono::steady_clock::now()),
      before_(count()) {}

DisturbanceClock::Counts DisturbanceClock::count() const {
  Counts counts{.stolen_seconds = stolen_seconds(cpus_),
                .waiting_seconds = std::vector<double>(static_cast<std::size_t>(team_.size())),
                .is_pinned = std::vector<char>(static_cast<std::size_t>(team_.size())),
                .involuntary_switches = involuntary_switches(),
                .throttled = throttled_periods()};
  team_.on_every_worker([&](int worker) {
    const auto w = static_cast<std::size_t>(worker);
    counts.waiting_seconds[w] = waiting_seconds();
    const std::vector<int>& cpus = team_.cpus();
    counts.is_pinned[w] = cpus.empty() || is_pinned_to(cpus[w % cpus.size()]);
  });
  return counts;
}

Disturbance DisturbanceClock::since_start() const {
  const Counts now = count();
  const double elapsed =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  double longest_wait = 0;  // not a number as soon as one of them is not: nothing is more than that
  Index unpinned = 0;
  for (std::size_t worker = 0; worker < now.waiting_seconds.size(); ++worker) {
    const double wait = now.waiting_seconds[worker] - before_.waiting_seconds[worker];
    if (std::isnan(wait) || wait > longest_wait) longest_wait = wait;
    if (!before_.is_pinned[worker] || !now.is_pinned[worker]) ++unpinned;
  }
  const double stolen = now.stolen_seconds - before_.stolen_seconds;
  return {.steal_fraction = stolen >= 0 ? stolen / elapsed / double(cpus_.size()) : kUnknown,
          .wait_fraction = longest_wait / elapsed,
          .involuntary_switches = increase(before_.involuntary_switches, now.involuntary_switches),
          .throttled = increase(before_.throttled, now.throttled),
          .unpinned_threads = unpinned};
}

}  // namespace seqbench
