// The seconds of a case or step from its repetitions, with an interval that covers what another run
// would show.
//
// Where a process's memory comes to lie makes a case faster or slower by some percent for as long
// as the process lives, so that the repetitions of one process tell less than their number. Each
// process counts as one observation: the median of its repetitions. Times vary by factors, hence
// logarithms. The estimate is the mean over processes, its interval Student's t: with means that
// scatter by s, half the interval is 2.48·s for three processes, 1.59·s for four, 1.24·s for five,
// 1.05·s for six.
#pragma once

#include <vector>

#include "harness/timing/repetition.h"

namespace seqbench {

struct TimeEstimate {
  double seconds = 0;
  double low = 0, high = 0;  // 95 % interval
  Index processes = 0;       // that the repetitions come from
  bool has_interval = true;  // false: low and high are the range of too few

  /// Half the interval's width as a fraction of the seconds.
  double relative_half_width() const { return (high - low) / 2 / seconds; }
};

/// Of one sample or more. From one process: the median and its interval, which leaves out what
/// differs between processes, and is the range below kLeastForInterval samples.
TimeEstimate estimate_seconds(const std::vector<Sample>& samples);

/// The median of each process's values of so many samples, in the order of the processes' first
/// samples.
std::vector<double> process_medians(const std::vector<Sample>& samples,
                                    const std::vector<double>& values);

}  // namespace seqbench
