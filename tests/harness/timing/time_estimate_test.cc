#include "harness/timing/time_estimate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

#include "harness/base/statistics.h"

namespace seqbench {
namespace {

std::vector<Sample> samples_of(const std::vector<std::vector<double>>& seconds_by_process) {
  std::vector<Sample> samples;
  for (std::size_t process = 0; process < seconds_by_process.size(); ++process) {
    for (const double seconds : seconds_by_process[process]) {
      samples.push_back(
          {.seconds = seconds, .peak_gflops = 1, .process = static_cast<Index>(process)});
    }
  }
  return samples;
}

TEST(TimeEstimate, OfOneProcessIsTheMedianAndItsInterval) {
  const std::vector<double> seconds = {3, 1, 2, 9, 4, 5};
  const TimeEstimate estimate = estimate_seconds(samples_of({seconds}));
  const MedianInterval median = median_interval(seconds);
  EXPECT_EQ(estimate.processes, 1);
  EXPECT_EQ(estimate.seconds, median.median);
  EXPECT_EQ(estimate.low, median.low);
  EXPECT_EQ(estimate.high, median.high);
}

TEST(TimeEstimate, OfSeveralIsStudentsIntervalOfTheirMediansOnLogarithms) {
  // Medians 1, 4, 16: logarithms 0, ln 4, 2·ln 4, of standard deviation ln 4. Two degrees of
  // freedom: t = 4.302653 (any table), half = t · ln 4 / √3.
  const TimeEstimate estimate = estimate_seconds(samples_of({{1, 1, 99}, {4}, {8, 16, 17}}));
  const double half = 4.302653 * std::log(4.0) / std::sqrt(3.0);
  EXPECT_EQ(estimate.processes, 3);
  EXPECT_NEAR(estimate.seconds, 4, 1e-12);
  EXPECT_NEAR(estimate.low, 4 * std::exp(-half), 1e-6 * estimate.low);
  EXPECT_NEAR(estimate.high, 4 * std::exp(half), 1e-6 * estimate.high);
  EXPECT_NEAR(estimate.relative_half_width(), std::sinh(half), 1e-5 * std::sinh(half));
}

TEST(TimeEstimate, HasAnIntervalFromSixValuesOfOneProcessOrOneEachOfTwo) {
  EXPECT_TRUE(estimate_seconds(samples_of({{3, 1, 2, 9, 4, 5}})).has_interval);
  EXPECT_FALSE(estimate_seconds(samples_of({{3, 1, 2, 9, 4}})).has_interval);
  EXPECT_TRUE(estimate_seconds(samples_of({{3}, {1}})).has_interval);
}

TEST(TimeEstimate, OfEqualTimesHasNoWidth) {
  const TimeEstimate estimate = estimate_seconds(samples_of({{2}, {2}}));
  EXPECT_NEAR(estimate.seconds, 2, 1e-12);
  EXPECT_NEAR(estimate.relative_half_width(), 0, 1e-12);
}

TEST(ProcessMedians, StandInTheOrderOfTheFirstSamples) {
  std::vector<Sample> samples(5);
  for (std::size_t i = 0; i < samples.size(); ++i) samples[i].process = i % 2 == 0 ? 7 : 3;
  EXPECT_EQ(process_medians(samples, {1, 10, 2, 30, 9}), (std::vector<double>{2, 20}));
}

// What an interval is worth, by simulation: processes that differ, repetitions that scatter, and
// some that something else slows down.

struct Machine {
  double of_process = 0.04, of_repetition = 0.02;  // standard deviations of logarithms
  double slow_share = 0, slow_by = 0.3;            // of repetitions, as a logarithm
};

std::vector<Sample> run_on(const Machine& machine, int processes, std::mt19937_64& random) {
  constexpr int kRepetitions = 12;
  std::normal_distribution<double> normal;
  std::vector<double> place(static_cast<std::size_t>(processes));
  for (double& one : place) one = machine.of_process * normal(random);
  std::vector<Sample> samples;
  for (int i = 0; i < kRepetitions; ++i) {
    const int process = i % processes;
    double logarithm =
        place[static_cast<std::size_t>(process)] + machine.of_repetition * normal(random);
    if (std::bernoulli_distribution(machine.slow_share)(random)) logarithm += machine.slow_by;
    samples.push_back({.seconds = std::exp(logarithm), .peak_gflops = 1, .process = process});
  }
  return samples;
}

struct Interval {
  double low, high;
};
using Method = std::function<Interval(const std::vector<Sample>&)>;

Interval by_estimate(const std::vector<Sample>& samples) {
  const TimeEstimate estimate = estimate_seconds(samples);
  return {estimate.low, estimate.high};
}

/// As if all repetitions were of one process.
Interval by_pooling(std::vector<Sample> samples) {
  for (Sample& sample : samples) sample.process = 0;
  return by_estimate(samples);
}

/// Percentiles of the mean over processes that are drawn with replacement.
Interval by_bootstrap(const std::vector<Sample>& samples, std::mt19937_64& random) {
  constexpr std::size_t kDraws = 200;
  std::vector<double> seconds;
  for (const Sample& sample : samples) seconds.push_back(std::log(sample.seconds));
  const std::vector<double> medians = process_medians(samples, seconds);
  std::uniform_int_distribution<std::size_t> one(0, medians.size() - 1);
  std::vector<double> means(kDraws);
  for (double& mean : means) {
    for (std::size_t i = 0; i < medians.size(); ++i) mean += medians[one(random)];
    mean = std::exp(mean / double(medians.size()));
  }
  std::ranges::sort(means);
  return {means[kDraws / 40], means[kDraws - 1 - kDraws / 40]};
}

/// The share of intervals that hold what many runs of the machine show.
double coverage(const Machine& machine, int processes, const Method& method) {
  constexpr int kRuns = 2000;
  std::mt19937_64 random(20261130);
  double truth = 0;
  for (int run = 0; run < kRuns; ++run) {
    truth += std::log(estimate_seconds(run_on(machine, processes, random)).seconds) / kRuns;
  }
  int covered = 0;
  for (int run = 0; run < kRuns; ++run) {
    const Interval interval = method(run_on(machine, processes, random));
    covered += interval.low <= std::exp(truth) && std::exp(truth) <= interval.high;
  }
  return double(covered) / kRuns;
}

// Three standard errors of a share of 0.95 in 2000 runs, and the error of the truth.
constexpr double kOfChance = 0.02;

TEST(Coverage, OfStudentsIntervalIsAsStatedWithThreeToSixProcesses) {
  for (int processes = 3; processes <= 6; ++processes) {
    for (const Machine& machine : {Machine{}, Machine{.of_process = 0.01, .of_repetition = 0.05},
                                   Machine{.of_process = 0.1, .of_repetition = 0.01}}) {
      EXPECT_NEAR(coverage(machine, processes, by_estimate), 0.95, kOfChance)
          << processes << " processes, " << machine.of_process;
    }
    // One in ten repetitions a third slower makes the medians skew.
    EXPECT_GT(coverage({.slow_share = 0.1}, processes, by_estimate), 0.87) << processes;
  }
}

TEST(Coverage, OfABootstrapOfFewProcessesIsTooSmall) {
  std::mt19937_64 random(1);
  const Method bootstrap = [&](const auto& samples) { return by_bootstrap(samples, random); };
  EXPECT_LT(coverage({}, 3, bootstrap), 0.82);
  EXPECT_LT(coverage({}, 6, bootstrap), 0.92);
}

TEST(Coverage, OfRepetitionsThatAreTakenForIndependentIsTooSmall) {
  EXPECT_LT(coverage({}, 3, by_pooling), 0.85);
}

TEST(Coverage, TwoRunsOfOneMachineHaveHardlyEverDisjointIntervals) {
  std::mt19937_64 random(7);
  for (int processes = 3; processes <= 6; ++processes) {
    int disjoint = 0;
    constexpr int kPairs = 2000;
    for (int pair = 0; pair < kPairs; ++pair) {
      const Interval one = by_estimate(run_on({}, processes, random));
      const Interval other = by_estimate(run_on({}, processes, random));
      disjoint += one.high < other.low || other.high < one.low;
    }
    EXPECT_LT(disjoint, kPairs / 50) << processes;
  }
}

}  // namespace
}  // namespace seqbench
