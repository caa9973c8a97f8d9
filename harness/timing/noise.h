// Whether the figures of a measured case or training step can be trusted.
#pragma once

#include <string>
#include <vector>

#include "harness/timing/repetition.h"

namespace seqbench {

/// How well figures must be known, and what helps when they are not.
struct NoiseTerms {
  double precision = 0;  // as in MeasureOptions
  /// How the caller gets more repetitions ("raise --rounds"); empty: by a sweep's options.
  std::string remedy = "";
};

/// Half the 95 % interval of the speed ÷ the FMA peak probed beside it, as a share of its median;
/// the same for the fraction of peak. One sample or more.
double speed_half_width(const std::vector<Sample>& samples);

/// Why the repetitions of a case on so many threads are noisy and what helps; empty when they are
/// not.
///
/// They are when they are too few for an interval; when in half of them something else had a CPU of
/// the team for more than kMostWaiting of the time, or a quota was used up; or when the interval of
/// the fraction of peak is wider than asked, or than kNoisyHalfWidth. Waiting that is not known of
/// all of them (not a number) is none.
std::string noise_of(const std::vector<Sample>& samples, int threads, const NoiseTerms& terms = {});

/// What a measured row says of itself.
struct Verdict {
  std::string status;  // "ok" or "noisy"
  std::string reason;  // why noisy; also that there are more threads than CPUs
};

/// The verdict on one sample or more.
Verdict verdict_on(const std::vector<Sample>& samples, int threads, const NoiseTerms& terms = {});

/// A thread that waits for this share of a repetition stretches it by as much. The probes beside it
/// are so short that they may be spared, and the fraction of peak then falls by that share.
constexpr double kMostWaiting = 0.05;

/// The fraction of peak is known no better than this to either side.
constexpr double kNoisyHalfWidth = 0.10;

}  // namespace seqbench
