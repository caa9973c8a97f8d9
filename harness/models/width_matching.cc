#include "harness/models/width_matching.h"

#include <cmath>

namespace seqbench {

Index closest_width(const std::function<Index(Index)>& count, Index target, Index step) {
  Index low = 1, high = 1;  // in steps
  while (count(high * step) < target) {
    low = high;
    high *= 2;
  }
  while (high - low > 1) {
    const Index middle = (low + high) / 2;
    (count(middle * step) < target ? low : high) = middle;
  }
  const auto error = [&](Index width) { return std::abs(count(width) - target); };
  return error(low * step) < error(high * step) ? low * step : high * step;
}

bool is_matched(Index count, Index target) {
  return std::abs(double(count - target)) <= kMatchTolerance * double(target);
}

}  // namespace seqbench
