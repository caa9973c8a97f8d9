#include "harness/timing/wall_time.h"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>

namespace seqbench {

void WallTime::lap(Activity activity) {
  const Clock::time_point now = Clock::now();
  seconds_[static_cast<std::size_t>(activity)] +=
      std::chrono::duration<double>(now - lap_start_).count();
  lap_start_ = now;
}

double WallTime::total_seconds() const {
  return std::accumulate(seconds_.begin(), seconds_.end(), 0.0);
}

double WallTime::measuring_share() const {
  const double total = total_seconds();
  return total > 0 ? (seconds(Activity::kPasses) + seconds(Activity::kProbes)) / total : 0;
}

nlohmann::ordered_json WallTime::as_json() const {
  return {{"passes", seconds(Activity::kPasses)},   {"probes", seconds(Activity::kProbes)},
          {"checks", seconds(Activity::kChecks)},   {"set_up", seconds(Activity::kSetUp)},
          {"writing", seconds(Activity::kWriting)}, {"else", seconds(Activity::kElse)}};
}

std::string WallTime::sentence() const {
  const double total = total_seconds();
  const auto percent = [&](Activity activity) { return 100 * seconds(activity) / total; };
  char text[200];
  std::snprintf(text, sizeof(text),
                "%.0f %% of %.3g s went into passes and probes, %.0f %% into checks, %.0f %% into "
                "set-up, %.0f %% into writing, %.0f %% elsewhere.",
                100 * measuring_share(), total, percent(Activity::kChecks),
                percent(Activity::kSetUp), percent(Activity::kWriting), percent(Activity::kElse));
  return text;
}

}  // namespace seqbench
