// Where a falling ratio passes through 1, by bisection on noisy measurements.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace seqbench {

/// Tokens/s of attention ÷ tokens/s of the baseline, with its 95 % interval.
struct SpeedRatio {
  double value = 0;
  double low = 0, high = 0;

  bool is_surely_ahead() const { return low > 1; }
  bool is_surely_behind() const { return high < 1; }
};

struct CrossoverSearch {
  std::vector<Index> lengths;  // that may be measured, ascending; one or more
  double guess = 0;            // where to begin; not a number: at the shortest
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

/// From the guess by octaves to a length on the other side of 1, then by bisection to two
/// neighbouring lengths, then outwards until the intervals leave no doubt. The crossing is that of
/// a line through the logarithms of all ratios from the sure length below to the sure one above.
/// Each length is measured once at most.
Crossover find_crossover(const CrossoverSearch& search);

/// Lengths from `first` to `last`, `per_octave` to each doubling, rounded to multiples of 4 (a
/// quarter of the tokens that the kernels take at once) and ascending.
std::vector<Index> geometric_lengths(Index first, Index last, int per_octave);

}  // namespace seqbench
