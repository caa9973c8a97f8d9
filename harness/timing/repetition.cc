#include "harness/timing/repetition.h"

#include "harness/machine/probe.h"

namespace seqbench {
namespace {

constexpr double kProbeSeconds = 0.0015;  // on each side of a repetition

}  // namespace

std::vector<double> fractions_of_peak(double flops, const std::vector<Sample>& samples) {
  std::vector<double> fractions;
  for (const Sample& sample : samples) {
    fractions.push_back(fraction_of_peak(flops, sample.seconds, sample.peak_gflops));
  }
  return fractions;
}

double probe_beside_repetition(const ThreadTeam& team, Factors factors) {
  return probe_peak_gflops(team, kProbeSeconds, factors);
}

RepetitionBracket::RepetitionBracket(const ThreadTeam& team, Factors factors)
    : team_(team),
      factors_(factors),
      clock_(team),
      peak_before_(probe_beside_repetition(team, factors)) {}

Sample RepetitionBracket::close(double seconds_per_pass) const {
  const double peak_after = probe_beside_repetition(team_, factors_);
  return {.seconds = seconds_per_pass,
          .peak_gflops = (peak_before_ + peak_after) / 2,
          .disturbance = clock_.since_start()};
}

}  // namespace seqbench
