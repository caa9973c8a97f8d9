// Whether the figures of a measured case can be trusted.
#pragma once

#include <string>

#include "harness/timing/measurement.h"

namespace seqbench {

/// Why a case is noisy and what helps; empty when it is not. `precision` as in MeasureOptions.
///
/// A case is noisy when it has too few repetitions for an interval; when in half of them something
/// else had a CPU of the team for more than kMostWaiting of the time, or a quota was used up; or
/// when the interval of its fraction of peak is wider than asked, or than kNoisyHalfWidth.
std::string noise_of(const Measurement& measurement, double precision);

/// A thread that waits for this share of a repetition stretches it by as much. The probes beside it
/// are so short that they may be spared, and the fraction of peak then falls by that share.
constexpr double kMostWaiting = 0.05;

/// The fraction of peak is known no better than this to either side.
constexpr double kNoisyHalfWidth = 0.10;

}  // namespace seqbench
