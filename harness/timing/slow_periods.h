// Repetitions that fall into a slow period of the machine.
//
// A virtual machine has periods in which one of its CPUs is half as fast. A repetition that falls
// into one, as the probes beside it tell, is taken anew: chosen by the probe, never by its own
// time, and for all contenders alike.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <utility>

#include "harness/timing/case.h"
#include "harness/timing/measurement.h"

namespace seqbench {

class SlowPeriods {
 public:
  /// What `repeat` gives, of the case; taken anew, at most twice, while the case's threads are
  /// slower than they mostly are with its factors. Then it is the one with the highest peak beside
  /// it, and its sample tells how often (`retaken`).
  RemoteRepetition taken_outside(const Case& one, const std::function<RemoteRepetition()>& repeat);

 private:
  bool is_in_one(const Case& one, double peak_gflops);

  std::map<std::pair<int, Factors>, std::deque<double>> peaks_;  // the latest ones by threads
};

}  // namespace seqbench
