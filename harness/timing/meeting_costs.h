// What it costs P processors to meet: measured for as many as there are CPUs, beyond that an
// assumption that is named.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "harness/timing/work_span.h"

namespace seqbench {

class MeetingCosts {
 public:
  /// Of these numbers of processors.
  explicit MeetingCosts(std::map<int, Burden> measured);

  /// Measured where it was, 0 for one processor. Otherwise from the nearest smaller number
  /// measured: barriers and regions in proportion to the processors, since the counter that ends
  /// either is one cache line that goes from each to the next; a byte handed over by how much of it
  /// is others', 1 − 1/P.
  Burden at(int processors) const;
  bool is_measured(int processors) const;

  /// What at(processors) rests on, in words: "" where it was measured.
  std::string assumption(int processors) const;

 private:
  /// The largest number measured that is no larger; 1 where there is none.
  int nearest(int processors) const;

  std::map<int, Burden> measured_;
};

/// Measures those of `processors` that have a CPU each, the median of several tries. A third of
/// a second for each. Throws Interrupted.
MeetingCosts measure_meeting_costs(const std::vector<Index>& processors);

}  // namespace seqbench
