#include "harness/timing/slow_periods.h"

#include "harness/base/statistics.h"

namespace seqbench {
namespace {

// Two CPUs that share a core for a while have between half and two thirds of their peak; a steady
// machine's probes scatter by some percent.
constexpr double kSlowPeriod = 0.85;
constexpr Index kMostRetaken = 2;             // a period may be longer than any patience
constexpr std::size_t kRememberedPeaks = 99;  // a machine that stays slow is one that is not fast

}  // namespace

RemoteRepetition SlowPeriods::taken_outside(const Case& one,
                                            const std::function<RemoteRepetition()>& repeat) {
  RemoteRepetition best = repeat();
  for (Index taken = 1; taken <= kMostRetaken; ++taken) {
    if (!is_in_one(one, best.sample.peak_gflops)) break;
    const RemoteRepetition next = repeat();
    if (next.sample.peak_gflops > best.sample.peak_gflops) best = next;
    best.sample.retaken = taken;
  }
  return best;
}

bool SlowPeriods::is_in_one(const Case& one, double peak_gflops) {
  std::deque<double>& peaks = peaks_[{one.threads, one.layer.factors}];
  peaks.push_back(peak_gflops);
  if (peaks.size() > kRememberedPeaks) peaks.pop_front();
  return peaks.size() >= kLeastForInterval &&
         peak_gflops < kSlowPeriod * median({peaks.begin(), peaks.end()});
}

}  // namespace seqbench
