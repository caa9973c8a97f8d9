#include "harness/base/statistics.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <limits>
#include <numeric>

namespace seqbench {

double median(std::vector<double> values) {
  assert(!values.empty());
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

MedianInterval median_interval(std::vector<double> values) {
  assert(!values.empty());
  std::sort(values.begin(), values.end());
  // The count of values below the true median is Binomial(n, 1/2). Leaving out `cut` values at
  // each end covers it with 1 − 2·P(count < cut + 1): the largest cut that keeps 95 %.
  const boost::math::binomial below(double(values.size()), 0.5);
  std::size_t cut = 0;
  while (2 * (cut + 1) < values.size() && 2 * boost::math::cdf(below, double(cut + 1)) <= 0.05) {
    ++cut;
  }
  return {median(values), values[cut], values[values.size() - 1 - cut]};
}

MeanInterval mean_interval(std::span<const double> values) {
  assert(values.size() >= 2);
  const double n = double(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double t = boost::math::quantile(boost::math::students_t(n - 1), 0.975);
  const double half = t * std::sqrt(squares / (n - 1) / n);
  return {.mean = mean, .low = mean - half, .high = mean + half};
}

CountInterval binomial_interval(Index trials, double p, double coverage) {
  assert(trials >= 1 && p >= 0 && p < 1 && coverage > 0 && coverage < 1);
  using Up = boost::math::policies::policy<
      boost::math::policies::discrete_quantile<boost::math::policies::integer_round_up>>;
  const boost::math::binomial_distribution<double, Up> successes(double(trials), p);
  const double tail = (1 - coverage) / 2;
  return {.low = boost::math::quantile(successes, tail),
          .high = boost::math::quantile(successes, 1 - tail)};
}

std::vector<std::size_t> outliers(const std::vector<double>& values) {
  const double middle = median(values);
  std::vector<double> deviations;
  for (const double value : values) deviations.push_back(std::abs(value - middle));
  const double mad = median(deviations);
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (mad > 0 && 0.6745 * deviations[i] > 3.5 * mad) found.push_back(i);
  }
  return found;
}

LineFit fit_line(std::span<const double> x, std::span<const double> y) {
  assert(x.size() == y.size() && x.size() >= 2);
  const double n = double(x.size());
  LineFit fit;
  for (std::size_t i = 0; i < x.size(); ++i) {
    fit.mean_x += x[i] / n;
    fit.mean_y += y[i] / n;
  }
  double sxx = 0, sxy = 0, syy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double dx = x[i] - fit.mean_x, dy = y[i] - fit.mean_y;
    sxx += dx * dx;
    sxy += dx * dy;
    syy += dy * dy;
  }
  fit.slope = sxy / sxx;
  fit.r2 = syy > 0 ? sxy * sxy / (sxx * syy) : 1.0;
  fit.slope_low = fit.slope_high = std::numeric_limits<double>::quiet_NaN();
  if (x.size() >= 3) {
    const double residual = std::max(0.0, syy - fit.slope * sxy);
    const double error = std::sqrt(residual / (n - 2) / sxx);
    const double t = boost::math::quantile(boost::math::students_t(n - 2), 0.975);
    fit.slope_low = fit.slope - t * error;
    fit.slope_high = fit.slope + t * error;
  }
  return fit;
}

PowerFit fit_power(std::span<const double> x, std::span<const double> y) {
  const auto logarithms = [](std::span<const double> values) {
    std::vector<double> logs(values.size());
    std::ranges::transform(values, logs.begin(), [](double value) { return std::log(value); });
    return logs;
  };
  const LineFit line = fit_line(logarithms(x), logarithms(y));
  return {.exponent = line.slope,
          .exponent_low = line.slope_low,
          .exponent_high = line.slope_high,
          .r2 = line.r2};
}

}  // namespace seqbench
