// Where a falling ratio passes through 1, by interpolation and bisection on noisy measurements.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace seqbench {

/// Tokens/s of attention ÷ tokens/s of the baseline, with its 95 % interval.
struct SpeedRatio {
  double value = 0;
  double low = 0, high = 0;
  int pairs = 0;  // of measurements that it rests on

  bool is_surely_ahead() const { return low > 1; }
  bool is_surely_behind() const { return high < 1; }
};

/// That give an interval worth the name.
inline constexpr Index kFewestPairs = 3;

/// Of the logarithms of pairs' ratios, two or more: their geometric mean and its interval,
/// Student's t on the logarithms.
SpeedRatio speed_ratio_of(std::span<const double> logarithms);

/// Whether the ratio is so far from 1 that further pairs would not tell the search more.
bool is_far_from_equal(const SpeedRatio& ratio);

struct CrossoverSearch {
  std::vector<Index> lengths;  // that may be measured, ascending; one or more
  /// FLOPs of attention ÷ those of the baseline, rising with the length. Long lengths are dear:
  /// were the rates of both the same at all lengths, one measurement would tell the crossing.
  std::function<double(Index length)> work;
  std::function<SpeedRatio(Index length)> measure;
};

struct Crossover {
  std::string status;  // "ok", "always_ahead", "never_ahead" within the lengths
  double length = 0;   // of an "ok" one: where the ratio passes through 1
  /// The longest length at which attention is surely ahead below it, and the shortest at which it
  /// is surely behind above it; the first or last length where there is none.
  double low = 0, high = 0;
  std::map<Index, SpeedRatio> measured;
};

/// From the length of equal work to where it would be at the rates measured there, until a length
/// lies on the other side of 1; then by interpolation and bisection to two neighbouring lengths,
/// then outwards until the intervals leave no doubt. The crossing is that of a line through the
/// logarithms of all ratios from the sure length below to the sure one above. Each length is
/// measured once at most.
Crossover find_crossover(const CrossoverSearch& search);

/// Lengths from `first` to `last`, `per_octave` to each doubling, rounded to multiples of 4 (a
/// quarter of the tokens that the kernels take at once) and ascending.
std::vector<Index> geometric_lengths(Index first, Index last, int per_octave);

}  // namespace seqbench
