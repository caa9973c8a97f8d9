#include "harness/timing/crossover_search.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "harness/base/statistics.h"

namespace seqbench {
namespace {

/// The search by positions among the lengths.
class Search {
 public:
  explicit Search(const CrossoverSearch& search) : search_(search) {}

  Crossover run() {
    Index ahead, behind;  // neighbours in the end
    if (!bracket(ahead, behind)) return at_an_end();
    narrow(ahead, behind);
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

  double work(Index position) const {
    return search_.work(search_.lengths[static_cast<std::size_t>(position)]);
  }
  /// The first with so much work, or the last.
  Index position_of_work(double sought) const {
    Index position = 0;
    while (position < last() && work(position) < sought) ++position;
    return position;
  }

  /// Positions of a lead and of a lead lost, `ahead` below `behind`; false where there are none.
  bool bracket(Index& ahead, Index& behind) {
    Index here = position_of_work(1);
    const bool is_ahead = at(here).value >= 1;
    for (Index stride = 1;; stride *= 2) {
      if (here == (is_ahead ? last() : 0)) return false;
      // The first length behind, were the rates the same everywhere.
      const Index expected = position_of_work(at(here).value * work(here));
      const Index next = is_ahead ? std::min(last(), std::max(expected, here + stride))
                                  : std::max<Index>(0, std::min(expected - 1, here - stride));
      if ((at(next).value >= 1) != is_ahead) {
        ahead = std::min(here, next);
        behind = std::max(here, next);
        return true;
      }
      here = next;
    }
  }

  /// Until both are neighbours: where a line through both ratios passes through 1; halfway where
  /// that has moved the same end twice.
  void narrow(Index& ahead, Index& behind) {
    for (int moves_of_ahead = 0, moves_of_behind = 0; behind - ahead > 1;) {
      const Index between = behind - ahead;
      const double lead = std::log(at(ahead).value), lag = -std::log(at(behind).value);
      const bool halves = std::max(moves_of_ahead, moves_of_behind) >= 2;
      const auto on_line = static_cast<Index>(double(between) * lead / (lead + lag) + 0.5);
      const Index middle =
          ahead + (halves ? between / 2 : std::clamp<Index>(on_line, 1, between - 1));
      const bool leads = at(middle).value >= 1;
      (leads ? ahead : behind) = middle;
      moves_of_ahead = leads && !halves ? moves_of_ahead + 1 : 0;
      moves_of_behind = !leads && !halves ? moves_of_behind + 1 : 0;
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

SpeedRatio speed_ratio_of(std::span<const double> logarithms) {
  const MeanInterval mean = mean_interval(logarithms);
  return {.value = std::exp(mean.mean),
          .low = std::exp(mean.low),
          .high = std::exp(mean.high),
          .pairs = static_cast<int>(logarithms.size())};
}

bool is_far_from_equal(const SpeedRatio& ratio) {
  constexpr double kHalfIntervals = 3;
  return std::abs(std::log(ratio.value)) > kHalfIntervals * std::log(ratio.high / ratio.value);
}

Crossover find_crossover(const CrossoverSearch& search) {
  assert(!search.lengths.empty());
  return Search(search).run();
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
