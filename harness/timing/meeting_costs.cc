#include "harness/timing/meeting_costs.h"

#include <cstdio>
#include <iterator>
#include <utility>

#include "harness/base/interrupt.h"
#include "harness/base/statistics.h"
#include "harness/machine/placement.h"
#include "harness/machine/probe.h"

namespace seqbench {

MeetingCosts::MeetingCosts(std::map<int, Burden> measured) : measured_(std::move(measured)) {
  measured_[1] = {};
}

int MeetingCosts::nearest(int processors) const {
  return std::prev(measured_.upper_bound(processors))->first;
}

bool MeetingCosts::is_measured(int processors) const { return measured_.contains(processors); }

Burden MeetingCosts::at(int processors) const {
  const int base = nearest(processors);
  const Burden known = measured_.at(base);
  const double factor = double(processors) / double(base);
  const double others = base == 1 ? 0 : (1 - 1.0 / processors) / (1 - 1.0 / base);
  return {.barrier_seconds = factor * known.barrier_seconds,
          .region_seconds = factor * known.region_seconds,
          .handover_seconds_per_byte = others * known.handover_seconds_per_byte};
}

std::string MeetingCosts::assumption(int processors) const {
  if (is_measured(processors)) return "";
  const int base = nearest(processors);
  if (base == 1) return "meetings cost nothing (no two CPUs to measure on); equal cores";
  const Burden burden = at(processors);
  char text[160];
  std::snprintf(text, sizeof(text),
                "a barrier %.3g us and a region %.3g us, %d/%d of those measured at %d; cores and "
                "their share of caches and memory as the measured ones",
                1e6 * burden.barrier_seconds, 1e6 * burden.region_seconds, processors, base, base);
  return text;
}

MeetingCosts measure_meeting_costs(const std::vector<Index>& processors) {
  constexpr double kSecondsOfATry = 0.004;
  constexpr int kTries = 25;
  std::map<int, Burden> measured;
  for (const Index count : processors) {
    const int workers = static_cast<int>(count);
    if (running_workers(workers) < workers) continue;
    const ThreadTeam team = make_team(workers);
    std::vector<double> barriers, regions, bytes;
    for (int i = 0; i < kTries; ++i) {
      stop_if_interrupted();
      barriers.push_back(probe_barrier_seconds(team, kSecondsOfATry));
      regions.push_back(probe_region_seconds(team, kSecondsOfATry));
      bytes.push_back(probe_handover_seconds_per_byte(team, kSecondsOfATry));
    }
    measured[workers] = {.barrier_seconds = median(barriers),
                         .region_seconds = median(regions),
                         .handover_seconds_per_byte = median(bytes)};
  }
  return MeetingCosts(std::move(measured));
}

}  // namespace seqbench
