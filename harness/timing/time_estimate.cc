#include "harness/timing/time_estimate.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "harness/base/statistics.h"

namespace seqbench {

std::vector<double> process_medians(const std::vector<Sample>& samples,
                                    const std::vector<double>& values) {
  assert(samples.size() == values.size());
  std::vector<Index> processes;
  std::vector<std::vector<double>> of_process;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const auto found = std::ranges::find(processes, samples[i].process);
    const auto position = static_cast<std::size_t>(found - processes.begin());
    if (found == processes.end()) {
      processes.push_back(samples[i].process);
      of_process.emplace_back();
    }
    of_process[position].push_back(values[i]);
  }
  std::vector<double> medians;
  for (std::vector<double>& one : of_process) medians.push_back(median(std::move(one)));
  return medians;
}

TimeEstimate estimate_seconds(const std::vector<Sample>& samples) {
  std::vector<double> seconds;
  for (const Sample& sample : samples) seconds.push_back(sample.seconds);
  std::vector<double> medians = process_medians(samples, seconds);
  if (medians.size() == 1) {
    const MedianInterval interval = median_interval(seconds);
    return {.seconds = interval.median,
            .low = interval.low,
            .high = interval.high,
            .processes = 1,
            .has_interval = seconds.size() >= kLeastForInterval};
  }
  for (double& value : medians) value = std::log(value);
  const MeanInterval logarithms = mean_interval(medians);
  return {.seconds = std::exp(logarithms.mean),
          .low = std::exp(logarithms.low),
          .high = std::exp(logarithms.high),
          .processes = static_cast<Index>(medians.size())};
}

}  // namespace seqbench
