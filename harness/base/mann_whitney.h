// Do two samples differ, and by what factor? Ranks only, so that no distribution is assumed.
//
// Mann & Whitney 1947, On a test of whether one of two random variables is stochastically larger
// than the other; Hodges & Lehmann 1963 for the factor; Conover, Practical Nonparametric
// Statistics, 5.1 and 5.4, for both with their intervals.
#pragma once

#include <vector>

#include "harness/base/statistics.h"

namespace seqbench {

/// Values that were taken independently of each other; neither is empty.
struct TwoSamples {
  std::vector<double> first, second;
};

/// Two-sided p-value of the Mann-Whitney test: the probability of ranks at least as one-sided as
/// these when both come from one distribution. Exact where no values are equal and neither sample
/// has more than 50; else the normal approximation, corrected for ties and continuity.
double mann_whitney_p(const TwoSamples& samples);

/// The least p-value that samples of these sizes can have.
double least_mann_whitney_p(const TwoSamples& samples);

/// How many times larger the second are, all values positive: the median of all ratios of a second
/// to a first, and the interval of those factors which the test does not reject at 5 %. Of samples
/// too small for that (least_mann_whitney_p()), the range of the ratios.
MedianInterval ratio_interval(const TwoSamples& samples);

}  // namespace seqbench
