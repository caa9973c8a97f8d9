#include "harness/base/mann_whitney.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace seqbench {
namespace {

constexpr std::size_t kLargestExact = 50;
constexpr double kAlpha = 0.05;

/// P(U ≤ u) for u = 0 … n·m, where U counts the pairs in which the second value is larger.
///
/// The orders with U = u are the partitions of u into at most n parts of at most m each:
///   c(n, m, u) = c(n, m − 1, u) + c(n − 1, m, u − m)
std::vector<double> exact_distribution(std::size_t n, std::size_t m) {
  const std::size_t largest = n * m;
  std::vector<std::vector<double>> counts(n + 1, std::vector<double>(largest + 1));
  for (std::vector<double>& of_parts : counts) of_parts[0] = 1;
  for (std::size_t part = 1; part <= m; ++part) {
    for (std::size_t parts = 1; parts <= n; ++parts) {
      for (std::size_t u = part; u <= largest; ++u) counts[parts][u] += counts[parts - 1][u - part];
    }
  }
  std::vector<double> distribution = counts[n];
  for (std::size_t u = 1; u <= largest; ++u) distribution[u] += distribution[u - 1];
  for (double& probability : distribution) probability /= distribution.back();
  return distribution;
}

/// U and what its distribution depends on.
struct Ranks {
  double u = 0;         // a pair of equal values counts half
  double tie_term = 0;  // Σ t³ − t over groups of t equal values
};

Ranks rank(const TwoSamples& samples) {
  Ranks ranks;
  for (const double first : samples.first) {
    for (const double second : samples.second) {
      ranks.u += second > first ? 1 : second == first ? 0.5 : 0;
    }
  }
  std::vector<double> all = samples.first;
  all.insert(all.end(), samples.second.begin(), samples.second.end());
  std::sort(all.begin(), all.end());
  for (auto begin = all.begin(); begin != all.end();) {
    const auto end = std::upper_bound(begin, all.end(), *begin);
    const auto t = double(end - begin);
    ranks.tie_term += t * t * t - t;
    begin = end;
  }
  return ranks;
}

bool has_exact_distribution(const TwoSamples& samples) {
  return samples.first.size() <= kLargestExact && samples.second.size() <= kLargestExact;
}

double standard_deviation(const TwoSamples& samples, double tie_term) {
  const auto n = double(samples.first.size()), m = double(samples.second.size()), all = n + m;
  return std::sqrt(n * m / 12 * (all + 1 - tie_term / (all * (all - 1))));
}

/// The largest u with P(U ≤ u) ≤ α/2, which is how many of the sorted ratios lie below the interval
/// and how many above; 0 where there is no such u.
std::size_t largest_rejected(const TwoSamples& samples) {
  if (has_exact_distribution(samples)) {
    const auto distribution = exact_distribution(samples.first.size(), samples.second.size());
    const auto kept = std::ranges::find_if(distribution, [](double p) { return p > kAlpha / 2; });
    return static_cast<std::size_t>(std::max<std::ptrdiff_t>(kept - distribution.begin() - 1, 0));
  }
  constexpr double kQuantile = 1.959964;  // of the normal distribution, 97.5 %
  const double mean = double(samples.first.size()) * double(samples.second.size()) / 2;
  return static_cast<std::size_t>(
      std::max(0.0, mean - 0.5 - kQuantile * standard_deviation(samples, 0)));
}

}  // namespace

double mann_whitney_p(const TwoSamples& samples) {
  assert(!samples.first.empty() && !samples.second.empty());
  const Ranks ranks = rank(samples);
  const double pairs = double(samples.first.size()) * double(samples.second.size());
  if (ranks.tie_term == 0 && has_exact_distribution(samples)) {
    const auto distribution = exact_distribution(samples.first.size(), samples.second.size());
    const auto smaller = static_cast<std::size_t>(std::min(ranks.u, pairs - ranks.u));
    return std::min(1.0, 2 * distribution[smaller]);
  }
  const double deviation = standard_deviation(samples, ranks.tie_term);
  if (!(deviation > 0)) return 1;  // all values are equal
  const double distance = std::max(0.0, std::abs(ranks.u - pairs / 2) - 0.5);
  return std::erfc(distance / deviation / std::sqrt(2.0));
}

double least_mann_whitney_p(const TwoSamples& samples) {
  const auto n = double(samples.first.size()), m = double(samples.second.size());
  // One order out of C(n + m, n), and its mirror image.
  return std::min(1.0,
                  2 * std::exp(std::lgamma(n + 1) + std::lgamma(m + 1) - std::lgamma(n + m + 1)));
}

MedianInterval ratio_interval(const TwoSamples& samples) {
  assert(!samples.first.empty() && !samples.second.empty());
  std::vector<double> ratios;
  for (const double first : samples.first) {
    for (const double second : samples.second) ratios.push_back(second / first);
  }
  std::sort(ratios.begin(), ratios.end());
  const std::size_t cut = largest_rejected(samples);
  return {median(ratios), ratios[cut], ratios[ratios.size() - 1 - cut]};
}

}  // namespace seqbench
