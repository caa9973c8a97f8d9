#include "harness/timing/noise.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "harness/base/command_line.h"
#include "harness/base/statistics.h"
#include "harness/machine/placement.h"
#include "harness/timing/time_estimate.h"

namespace seqbench {
namespace {

std::string percentage(double share) {
  char text[16];
  std::snprintf(text, sizeof(text), "%.3g %%", 100 * share);
  return text;
}

/// What took the CPUs away: a quota in more than half of the repetitions, or something else in the
/// median one; empty when nothing did.
std::string disturbance_of(const std::vector<Sample>& samples, int threads) {
  const std::size_t count = samples.size();
  const auto throttled = static_cast<std::size_t>(std::ranges::count_if(
      samples, [](const Sample& sample) { return sample.disturbance.throttled.value_or(0) > 0; }));
  if (2 * throttled > count) {
    return "the control group's CPU quota was used up in " + std::to_string(throttled) + " of " +
           std::to_string(count) + " repetitions; raise the quota or use fewer --threads";
  }
  // More threads than CPUs wait for each other, as asked for.
  if (threads > running_workers(threads)) return "";
  std::vector<double> waits;
  for (const Sample& sample : samples) waits.push_back(sample.disturbance.wait_fraction);
  const bool is_known = std::ranges::none_of(waits, [](double wait) { return std::isnan(wait); });
  const double wait = is_known ? median(waits) : 0;
  if (wait <= kMostWaiting) return "";
  return "something else had a CPU of these threads for " + percentage(wait) +
         " of the time; end it, or keep it or seqbench off these CPUs (taskset)";
}

}  // namespace

std::string lack_of_pinning(const RepetitionCounts& counts) {
  return "threads could not be pinned to their CPUs in " + std::to_string(counts.unpinned) +
         " of " + std::to_string(counts.all) +
         " repetitions; let the sandbox allow sched_setaffinity, and leave these threads and their "
         "cpuset alone meanwhile";
}

std::string noise_of(const std::vector<Sample>& samples, int threads, const NoiseTerms& terms) {
  const TimeEstimate estimate = estimate_seconds(samples);
  if (!estimate.has_interval) {
    return "no 95 % interval from fewer than " + std::to_string(kLeastForInterval) +
           " repetitions, low and high are their range; " +
           (terms.remedy.empty() ? "raise --repetitions" : terms.remedy);
  }
  const auto unpinned = std::ranges::count_if(
      samples, [](const Sample& sample) { return sample.disturbance.unpinned_threads > 0; });
  if (unpinned > 0) {
    return lack_of_pinning({.unpinned = unpinned, .all = static_cast<Index>(samples.size())});
  }
  if (const std::string disturbance = disturbance_of(samples, threads); !disturbance.empty()) {
    return disturbance;
  }
  const double known = estimate.relative_half_width();
  const bool is_asked = terms.precision > 0;
  if (known <= (is_asked ? terms.precision : kNoisyHalfWidth)) return "";
  const std::string problem = "seconds known to ±" + percentage(known) + " only";
  if (!terms.remedy.empty()) return problem + "; quieten the machine or " + terms.remedy;
  return problem + (is_asked ? ", asked ±" + percentage(terms.precision) +
                                   "; quieten the machine or raise --precision-time"
                             : "; quieten the machine, raise --processes or ask for --precision");
}

Verdict verdict_on(const std::vector<Sample>& samples, int threads, const NoiseTerms& terms) {
  std::vector<std::string> reasons;
  if (threads > running_workers(threads)) {
    reasons.push_back(std::to_string(threads) + " threads on " +
                      std::to_string(usable_cpus().size()) + " CPUs");
  }
  const std::string noise = noise_of(samples, threads, terms);
  if (!noise.empty()) reasons.push_back(noise);
  return {.status = noise.empty() ? "ok" : "noisy", .reason = join(reasons, "; ")};
}

}  // namespace seqbench
