// Whether the figures of a measured case can be trusted.
#pragma once

#include <string>

#include "harness/timing/measurement.h"

namespace seqbench {

/// Why a case is noisy and what helps; empty when it is not. `precision` as in MeasureOptions.
///
/// A case is noisy when it has too few repetitions for an interval; when a quota was used up in
/// more than half of them; when something else had a CPU of the team for more than kMostWaiting of
/// the time in the median one, unless the team has more threads than CPUs, which wait for each
/// other; or when half the width of the interval of its fraction of peak is more than `precision`
/// of the median, or than kNoisyHalfWidth where no precision is asked.
std::string noise_of(const Measurement& measurement, double precision);

/// A thread that waits for this share of a repetition stretches it by as much. The probes beside it
/// are so short that they may be spared, and the fraction of peak then falls by that share.
constexpr double kMostWaiting = 0.05;

/// Half the width of the interval of the fraction of peak, as a share of its median.
constexpr double kNoisyHalfWidth = 0.10;

}  // namespace seqbench
