#include "harness/timing/crossover_search.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "harness/base/statistics.h"

namespace seqbench {
namespace {

/// The search by positions among the lengths.
class Bisection {
 public:
  explicit Bisection(const CrossoverSearch& search) : search_(search) {}

  Crossover run() {
    Index ahead, behind;  // neighbours in the end
    if (!bracket(ahead, behind)) return at_an_end();
    while (behind - ahead > 1) {
      const Index middle = (ahead + behind) / 2;
      (at(middle).value >= 1 ? ahead : behind) = middle;
    }
    // Outwards by 1, 2, 4, … positions.
    Index below = ahead, above = behind;
    for (Index step = 1; below > 0 && !at(below).is_surely_ahead(); step *= 2) {
      below = std::max<Index>(0, below - step);
    }
    for (Index step = 1; above < last() && !at(above).is_surely_behind(); step *= 2) {
      above = std::min(last(), above + step);
    }
    found_.status = "ok";
    found_.low = length(below);
    found_.high = length(above);
    found_.length = std::clamp(crossing(below, above, ahead), found_.low, found_.high);
    return found_;
  }

 private:
  Index last() const { return static_cast<Index>(search_.lengths.size()) - 1; }
  double length(Index position) const {
    return double(search_.lengths[static_cast<std::size_t>(position)]);
  }
  const SpeedRatio& at(Index position) {
    const Index length = search_.lengths[static_cast<std::size_t>(position)];
    const auto known = found_.measured.find(length);
    if (known != found_.measured.end()) return known->second;
    return found_.measured.emplace(length, search_.measure(length)).first->second;
  }

  Index guessed_position() const {
    const auto above = std::ranges::find_if(
        search_.lengths, [&](Index length) { return double(length) >= search_.guess; });
    if (std::isnan(search_.guess)) return 0;
    return std::min(last(), static_cast<Index>(above - search_.lengths.begin()));
  }

  /// Positions of a lead and of a lead lost, `ahead` below `behind`; false where there are none.
  bool bracket(Index& ahead, Index& behind) {
    Index here = guessed_position();
    const bool is_ahead = at(here).value >= 1;
    for (;;) {
      const double sought = is_ahead ? 2 * length(here) : length(here) / 2;
      Index next = here;
      const Index step = is_ahead ? 1 : -1;
      do {
        next += step;
      } while (next > 0 && next < last() &&
               (is_ahead ? length(next) < sought : length(next) > sought));
      if (next < 0 || next > last()) return false;
      if ((at(next).value >= 1) != is_ahead) {
        ahead = std::min(here, next);
        behind = std::max(here, next);
        return true;
      }
      here = next;
    }
  }

  Crossover at_an_end() {
    const bool is_ahead = found_.measured.rbegin()->second.value >= 1;
    found_.status = is_ahead ? "always_ahead" : "never_ahead";
    return found_;
  }

  /// By least squares over what was measured between two positions; where the line does not fall,
  /// between the neighbours at `ahead`.
  double crossing(Index below, Index above, Index ahead) {
    std::vector<double> x, y;
    for (const auto& [at_length, ratio] : found_.measured) {
      if (double(at_length) < length(below) || double(at_length) > length(above)) continue;
      x.push_back(std::log(double(at_length)));
      y.push_back(std::log(ratio.value));
    }
    const LineFit line = fit_line(x, y);
    if (line.slope < 0) return std::exp(line.root());
    return std::sqrt(length(ahead) * length(ahead + 1));
  }

  const CrossoverSearch& search_;
  Crossover found_;
};

}  // namespace

Crossover find_crossover(const CrossoverSearch& search) {
  assert(!search.lengths.empty());
  return Bisection(search).run();
}

std::vector<Index> geometric_lengths(Index first, Index last, int per_octave) {
  assert(first >= 1 && first <= last && per_octave >= 1);
  std::vector<Index> lengths = {first};
  for (int k = 1;; ++k) {
    const double exact = double(first) * std::exp2(double(k) / per_octave);
    const auto rounded = static_cast<Index>(4 * std::round(exact / 4));
    if (rounded >= last) break;
    if (rounded > lengths.back()) lengths.push_back(rounded);
  }
  if (last > first) lengths.push_back(last);
  return lengths;
}

}  // namespace seqbench
