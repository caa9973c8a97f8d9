// What surrounds the timed passes of one repetition: the probes of the peak before and after,
// and what disturbed it meanwhile.
#pragma once

#include <limits>
#include <vector>

#include "core/gemm_options.h"
#include "harness/machine/disturbance.h"

namespace seqbench {

/// One repetition.
struct Sample {
  double seconds = 0;      // of one pass over the batch
  double peak_gflops = 0;  // mean of the probes before and after
  Disturbance disturbance = {};
  Index process = 0;  // which of the processes that share the repetitions took it
  Index retaken = 0;  // times that it was taken before, in a slow period of the machine
  // Of a case over ranks, of one pass: not a number where there are none.
  double comm_seconds = std::numeric_limits<double>::quiet_NaN();  // in messages and waiting for
                                                                   // them, of the rank that spent
                                                                   // most
  double bytes_sent = std::numeric_limits<double>::quiet_NaN();    // by all ranks
};

/// FLOP/s of a pass over the probed peak.
inline double fraction_of_peak(double flops, double seconds, double peak_gflops) {
  return 1e-9 * flops / seconds / peak_gflops;
}

/// The same of each repetition of a pass of so many FLOPs.
std::vector<double> fractions_of_peak(double flops, const std::vector<Sample>& samples);

/// The peak of the team with such factors, measured as beside every repetition.
double probe_beside_repetition(const ThreadTeam& team, Factors factors = Factors::kAsTheyAre);

/// Open from its construction until close(), with the timed passes between the two.
class RepetitionBracket {
 public:
  /// `team` must outlive the bracket.
  explicit RepetitionBracket(const ThreadTeam& team, Factors factors = Factors::kAsTheyAre);
  /// The sample around passes that took `seconds_per_pass` each.
  Sample close(double seconds_per_pass) const;

 private:
  const ThreadTeam& team_;
  Factors factors_;
  DisturbanceClock clock_;
  double peak_before_;
};

}  // namespace seqbench
