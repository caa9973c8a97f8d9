// When the sweeps of the kernel `newton` (rnn/newton_loop.h) are done, and when they are given up.
//
// A window's sweeps are judged by the largest change that each makes. Changes fall by a rate from
// sweep to sweep: where a change of δ follows one of δ/ρ, those still to come add up to ρ/(1 −
// ρ)·δ. A rate above 1/2 tells of no end. A window of n steps is exact after n sweeps whatever the
// changes: each finishes one more step for good.
//
// The numbers below are measured (docs/architecture.md): from the starts that models have, LSTM and
// GRU need 4 to 9 sweeps of 32 steps, of 64 half a sweep more and of 512 two; Elman 20.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/tensor.h"

namespace seqbench {

struct NewtonRules {
  Index window = 32;  // steps, at most kMostNewtonWindow; the weights serve so many rows at once
  Index most_sweeps = 24;  // before a window is given up
  bool gives_up = true;    // else only what is not finite any more: all sweeps that it takes
};

/// Rows of a tile that stays in L1 beside what comes and goes (rnn/mingru_scan.h).
inline constexpr Index kMostNewtonWindow = 96;

/// The change below which a sweep has nothing left to tell, as a share of what changes: rounding
/// moves a sum of `terms` products of random signs by √terms units in the last place, and the
/// pointwise step takes some 8 roundings more.
template <typename T>
double sweep_bound(Index terms) {
  return double(std::numeric_limits<T>::epsilon()) * (std::sqrt(double(terms)) + 8);
}

/// The sweeps of one window.
class SweepJudge {
 public:
  enum class Verdict { kGoesOn, kIsDone, kIsHopeless };

  SweepJudge(Index steps, const NewtonRules& rules, double bound)
      : steps_(steps), rules_(rules), bound_(bound) {}

  /// Of the sweep that made this change, which is not finite where a sum ran away.
  Verdict after(double change) {
    const double before = change_;
    change_ = change;
    ++sweeps_;
    if (!std::isfinite(change)) return Verdict::kIsHopeless;
    if (sweeps_ == steps_ || change <= bound_) return Verdict::kIsDone;
    if (sweeps_ == 1) return Verdict::kGoesOn;
    const double rate = change / before;
    if (rate <= 0.5 && rate / (1 - rate) * change <= bound_) return Verdict::kIsDone;
    if (sweeps_ == 2) second_ = change;
    const bool goes_on = !rules_.gives_up || sweeps_to_expect(rate) <= double(rules_.most_sweeps);
    return goes_on ? Verdict::kGoesOn : Verdict::kIsHopeless;
  }

  Index sweeps() const { return sweeps_; }
  double change() const { return change_; }

 private:
  /// In all, at the mean rate since the second sweep; the first one's change is the guess's.
  double sweeps_to_expect(double rate) const {
    if (sweeps_ < 3) return double(sweeps_ + 1);
    if (sweeps_ == 3 && rate < 1) return double(sweeps_ + 1);
    const double mean = std::pow(change_ / second_, 1 / double(sweeps_ - 2));
    if (mean >= 1) return std::numeric_limits<double>::infinity();
    const double expected = double(sweeps_) + std::log(bound_ / change_) / std::log(mean);
    return std::max(std::min(expected, double(steps_)), double(sweeps_ + 1));
  }

  Index steps_;
  NewtonRules rules_;
  double bound_;
  Index sweeps_ = 0;
  double change_ = 0, second_ = 0;
};

/// Which windows sweeps are tried on: after one that was given up four are run step by step without
/// trying, and after each that follows twice as many as before it, so that trying costs little
/// where nothing comes of it.
class SweepTrials {
 public:
  bool tries_next() {
    if (waiting_ == 0) return true;
    --waiting_;
    return false;
  }
  void count(bool was_given_up) {
    pause_ = was_given_up ? std::max<Index>(4, 2 * pause_) : 0;
    waiting_ = pause_;
  }

 private:
  Index pause_ = 0, waiting_ = 0;
};

}  // namespace seqbench
