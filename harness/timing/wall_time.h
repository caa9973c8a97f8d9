// What the wall time of a sweep goes into.
#pragma once

#include <array>
#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace seqbench {

enum class Activity {
  kPasses,   // timed passes, those that find out how many make a repetition, and the one that is
             // checked
  kProbes,   // of the machine, and beside each repetition
  kChecks,   // references, and comparisons with them
  kSetUp,    // tensors and parameters, and the first pass of a workload that is made again
  kWriting,  // until rows are on the disk
  kElse,
};

/// A clock with laps: all time belongs to some activity.
class WallTime {
 public:
  /// What went on since the last call, or since the construction.
  void lap(Activity activity);
  double seconds(Activity activity) const { return seconds_[static_cast<std::size_t>(activity)]; }
  double total_seconds() const;
  /// The share of passes and probes in the total.
  double measuring_share() const;

  /// Seconds by activity.
  nlohmann::ordered_json as_json() const;
  /// "93 % of 65 s went into passes and probes, 5 % into checks, …"
  std::string sentence() const;

 private:
  using Clock = std::chrono::steady_clock;

  static constexpr std::size_t kActivities = static_cast<std::size_t>(Activity::kElse) + 1;
  std::array<double, kActivities> seconds_{};
  Clock::time_point lap_start_ = Clock::now();
};

}  // namespace seqbench
