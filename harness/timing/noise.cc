#include "harness/timing/noise.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "harness/base/statistics.h"
#include "harness/machine/placement.h"

namespace seqbench {
namespace {

std::string percentage(double share) {
  char text[16];
  std::snprintf(text, sizeof(text), "%.3g %%", 100 * share);
  return text;
}

/// What took the CPUs away: a quota in more than half of the repetitions, or something else in the
/// median one; empty when nothing did.
std::string disturbance_of(const Measurement& measurement) {
  const std::size_t count = measurement.samples.size();
  const auto throttled = static_cast<std::size_t>(std::ranges::count_if(
      measurement.samples, [](const Sample& sample) { return sample.disturbance.throttled > 0; }));
  if (2 * throttled > count) {
    return "the control group's CPU quota was used up in " + std::to_string(throttled) + " of " +
           std::to_string(count) + " repetitions; raise the quota or use fewer --threads";
  }
  // More threads than CPUs wait for each other, as asked for.
  const int threads = measurement.the_case.threads;
  if (threads > running_workers(threads)) return "";
  std::vector<double> waits;
  for (const Sample& sample : measurement.samples) {
    waits.push_back(sample.disturbance.wait_fraction);
  }
  const bool is_known = std::ranges::none_of(waits, [](double wait) { return std::isnan(wait); });
  const double wait = is_known ? median(waits) : 0;
  if (wait <= kMostWaiting) return "";
  return "something else had a CPU of these threads for " + percentage(wait) +
         " of the time; end it, or keep it or seqbench off these CPUs (taskset)";
}

}  // namespace

std::string noise_of(const Measurement& measurement, double precision) {
  if (measurement.samples.size() < kLeastForInterval) {
    return "no 95 % interval from fewer than " + std::to_string(kLeastForInterval) +
           " repetitions, low and high are their range; raise --repetitions";
  }
  if (const std::string disturbance = disturbance_of(measurement); !disturbance.empty()) {
    return disturbance;
  }
  const double known = median_interval(fractions_of_peak(measurement)).relative_half_width();
  const bool is_asked = precision > 0;
  if (known <= (is_asked ? precision : kNoisyHalfWidth)) return "";
  return "fraction of peak known to ±" + percentage(known) + " only" +
         (is_asked ? ", asked ±" + percentage(precision) +
                         "; quieten the machine or raise --precision-time"
                   : "; quieten the machine, raise --repetitions or ask for --precision");
}

}  // namespace seqbench
