// Robust statistics of repeated measurements.
#pragma once

#include <span>
#include <vector>

#include "core/tensor.h"

namespace seqbench {

/// The fewest values whose range covers the median with 95 %.
constexpr std::size_t kLeastForInterval = 6;

/// A median and the interval that covers the true median with at least 95 %.
struct MedianInterval {
  double median = 0;
  double low = 0;
  double high = 0;

  /// Half the interval's width as a fraction of the median.
  double relative_half_width() const { return median > 0 ? (high - low) / 2 / median : 0; }
};

double median(std::vector<double> values);

/// Distribution-free interval from order statistics (binomial; Conover, Practical Nonparametric
/// Statistics, 3.2). Below six values no pair of them reaches 95 % (kLeastForInterval): then
/// smallest and largest.
MedianInterval median_interval(std::vector<double> values);

/// A mean and its 95 % interval by Student's t.
struct MeanInterval {
  double mean = 0;
  double low = 0;
  double high = 0;
};

/// Of two independent values or more. Covers as it says for normal values however few they are;
/// a bootstrap of three to six covers 60 to 90 % (tests/harness/base/coverage_test.cc).
MeanInterval mean_interval(std::span<const double> values);

/// Counts between which a binomial variable falls.
struct CountInterval {
  double low = 0, high = 0;
};

/// The central interval that holds the number of successes in `trials` ≥ 1 of probability
/// 0 ≤ p < 1 with at least `coverage`: the smallest counts k with F(k) ≥ (1 ∓ coverage)/2, as
/// scipy.stats.binom.interval.
CountInterval binomial_interval(Index trials, double p, double coverage);

/// The positions of the values whose modified z-score, 0.6745·|value − median| ÷ MAD, is above 3.5
/// (Iglewicz & Hoaglin 1993); MAD is the median of |value − median|. None where more than half of
/// the values are equal.
std::vector<std::size_t> outliers(const std::vector<double>& values);

/// y = a + slope·x by least squares.
struct LineFit {
  double slope = 0;
  double slope_low = 0;  // 95 % by Student's t; not a number with fewer than three points
  double slope_high = 0;
  double r2 = 0;
  double mean_x = 0, mean_y = 0;

  /// Where the line, which is not level, passes through y = 0.
  double root() const { return mean_x - mean_y / slope; }
};

/// Two points or more, not all x equal.
LineFit fit_line(std::span<const double> x, std::span<const double> y);

/// y = a·x^exponent by least squares on logarithms.
struct PowerFit {
  double exponent = 0;
  double exponent_low = 0;  // 95 % by Student's t; not a number with fewer than three points
  double exponent_high = 0;
  double r2 = 0;
};

/// Two points or more, all positive, not all x equal.
PowerFit fit_power(std::span<const double> x, std::span<const double> y);

}  // namespace seqbench
