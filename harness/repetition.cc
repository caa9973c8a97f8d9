#include "harness/repetition.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include "harness/probe.h"

namespace seqbench {
namespace {

constexpr double kProbeSeconds = 0.0015;  // on each side of a repetition

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

/// The CPUs that a team's workers are pinned to.
std::vector<int> cpus_of(const ThreadTeam& team) {
  std::vector<int> cpus = team.cpus();
  cpus.resize(std::min(cpus.size(), static_cast<std::size_t>(team.size())));
  return cpus;
}

}  // namespace

double probe_beside_repetition(const ThreadTeam& team) {
  return probe_peak_gflops(team, kProbeSeconds);
}

RepetitionBracket::RepetitionBracket(const ThreadTeam& team)
    : team_(team),
      cpus_(cpus_of(team)),
      stolen_before_(stolen_seconds(cpus_)),
      start_(std::chrono::steady_clock::now()),
      peak_before_(probe_beside_repetition(team)) {}

Sample RepetitionBracket::close(double seconds_per_pass) const {
  const double peak_after = probe_beside_repetition(team_);
  const double elapsed =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  return {
      .seconds = seconds_per_pass,
      .peak_gflops = (peak_before_ + peak_after) / 2,
      .steal_fraction = (stolen_seconds(cpus_) - stolen_before_) / elapsed / double(cpus_.size())};
}

}  // namespace seqbench
