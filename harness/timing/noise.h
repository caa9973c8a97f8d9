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

struct RepetitionCounts {
  Index unpinned = 0;  // in which a thread was not pinned to its CPU
  Index all = 0;
};

/// Why repetitions without pinning count for little, and what helps: the system may have let the
/// threads share a CPU, or have moved them away from those that the probes beside them had.
std::string lack_of_pinning(const RepetitionCounts& counts);

/// Why the repetitions of a case on so many threads are noisy and what helps; empty when they are
/// not.
///
/// They are when they are of one process and too few for an interval; when a thread was not pinned
/// to its CPU in one of them; when a quota was used up in more than half of them; when something
/// else had a CPU of the team for more than kMostWaiting of the time in the median one, unless the
/// team has more threads than CPUs, which wait for each other; or when half the interval of its
/// seconds (estimate_seconds()) is more than the precision asked for, or than kNoisyHalfWidth where
/// none is. Waiting that is not known of all of them (not a number) is none, and so is a quota's
/// use that is not known.
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

/// Half the width of the interval of the seconds, as a share of them.
constexpr double kNoisyHalfWidth = 0.10;

}  // namespace seqbench
