#include "harness/timing/noise.h"

#include <gtest/gtest.h>

#include <limits>

#include "harness/base/statistics.h"
#include "harness/machine/placement.h"
#include "harness/timing/throughput_rows.h"

namespace seqbench {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

/// Nine repetitions that are `seconds` × 0.98 to 1.02 long.
std::vector<Sample> samples_with(const Disturbance& disturbance) {
  std::vector<Sample> samples;
  for (int i = 0; i < 9; ++i) {
    samples.push_back(
        {.seconds = 1 + 0.005 * (i - 4), .peak_gflops = 100, .disturbance = disturbance});
  }
  return samples;
}

int more_threads_than_cpus() { return static_cast<int>(usable_cpus().size()) + 1; }

TEST(Noise, QuietRepetitionsHaveNone) {
  EXPECT_EQ(noise_of(samples_with({}), 1), "");
  EXPECT_EQ(noise_of(samples_with({.wait_fraction = kMostWaiting, .involuntary_switches = 9}), 1),
            "");
}

TEST(Noise, WideIntervalsNameWhatHelps) {
  std::vector<Sample> samples = samples_with({});
  for (std::size_t i = 0; i < samples.size(); i += 2) samples[i].seconds *= 1.5;
  EXPECT_NE(noise_of(samples, 1).find("--precision"), std::string::npos);
  EXPECT_EQ(noise_of(samples, 1, {.precision = 0.5}), "");
  EXPECT_NE(noise_of(samples_with({}), 1, {.precision = 0.001}).find("--precision-time"),
            std::string::npos);
  samples.resize(kLeastForInterval - 1);
  EXPECT_NE(noise_of(samples, 1).find("--repetitions"), std::string::npos);
}

TEST(Noise, IsJudgedOnSecondsWhateverTheProbeSays) {
  std::vector<Sample> samples = samples_with({});
  for (std::size_t i = 0; i < samples.size(); i += 2) samples[i].peak_gflops = 50;
  EXPECT_EQ(noise_of(samples, 1), "");
  // A machine that is half as fast half of the time: the fraction of peak is steady, seconds are
  // not.
  for (std::size_t i = 0; i < samples.size(); i += 2) samples[i].seconds *= 2;
  EXPECT_NE(noise_of(samples, 1).find("seconds known to"), std::string::npos);
}

TEST(Noise, OfSeveralProcessesIsThatOfTheirMediansHoweverFewRepetitions) {
  std::vector<Sample> samples = samples_with({});
  samples.resize(kLeastForInterval - 1);
  for (std::size_t i = 0; i < samples.size(); ++i) samples[i].process = static_cast<Index>(i);
  EXPECT_EQ(noise_of(samples, 1), "");
  samples.front().seconds *= 1.5;
  EXPECT_NE(noise_of(samples, 1).find("--processes"), std::string::npos) << noise_of(samples, 1);
}

TEST(Noise, ACallerWithoutThoseOptionsNamesItsOwn) {
  const NoiseTerms terms{.remedy = "raise --rounds"};
  std::vector<Sample> samples = samples_with({});
  EXPECT_EQ(noise_of(samples, 1, terms), "");
  for (std::size_t i = 0; i < samples.size(); i += 2) samples[i].seconds *= 1.5;
  std::string noise = noise_of(samples, 1, terms);
  EXPECT_TRUE(noise.ends_with(" only; quieten the machine or raise --rounds")) << noise;
  samples.resize(kLeastForInterval - 1);
  noise = noise_of(samples, 1, terms);
  EXPECT_TRUE(noise.ends_with("; raise --rounds")) << noise;
}

TEST(Noise, WaitingInHalfOfTheRepetitionsIsNoiseHoweverSteady) {
  std::vector<Sample> samples = samples_with({});
  for (std::size_t i = 0; i < 4; ++i) samples[i].disturbance.wait_fraction = 0.5;
  EXPECT_EQ(noise_of(samples, 1), "");
  samples[4].disturbance.wait_fraction = 0.06;
  EXPECT_NE(noise_of(samples, 1).find("6 %"), std::string::npos) << noise_of(samples, 1);
  EXPECT_NE(noise_of(samples, 1).find("taskset"), std::string::npos);
  // As asked for: threads that take turns.
  EXPECT_EQ(noise_of(samples, more_threads_than_cpus()), "");
}

TEST(Noise, AnExhaustedQuotaIsNoise) {
  std::vector<Sample> samples = samples_with({});
  for (std::size_t i = 0; i < 4; ++i) samples[i].disturbance.throttled = 2;
  EXPECT_EQ(noise_of(samples, 1), "");
  samples[8].disturbance.throttled = 1;
  EXPECT_NE(noise_of(samples, 1).find("5 of 9 repetitions"), std::string::npos)
      << noise_of(samples, 1);
}

TEST(Noise, AThreadThatIsNotPinnedOnceIsNoise) {
  std::vector<Sample> samples = samples_with({});
  samples[3].disturbance.unpinned_threads = 1;
  for (const int threads : {1, more_threads_than_cpus()}) {
    const Verdict verdict = verdict_on(samples, threads);
    EXPECT_EQ(verdict.status, "noisy");
    for (const char* part : {"pinned to their CPUs in 1 of 9 repetitions", "sched_setaffinity"}) {
      EXPECT_NE(verdict.reason.find(part), std::string::npos) << verdict.reason;
    }
  }
}

TEST(Noise, AnUnknownUseOfTheQuotaIsNone) {
  EXPECT_EQ(noise_of(samples_with({.involuntary_switches = {}, .throttled = {}}), 1), "");
}

TEST(Noise, UnknownWaitingIsNone) {
  EXPECT_EQ(noise_of(samples_with({.wait_fraction = kUnknown}), 1), "");
}

TEST(Verdict, NamesTooManyThreadsWhetherNoisyOrNot) {
  EXPECT_EQ(verdict_on(samples_with({}), 1).status, "ok");
  EXPECT_EQ(verdict_on(samples_with({}), 1).reason, "");
  const int threads = more_threads_than_cpus();
  const std::string turns =
      std::to_string(threads) + " threads on " + std::to_string(threads - 1) + " CPUs";
  EXPECT_EQ(verdict_on(samples_with({}), threads).status, "ok");
  EXPECT_EQ(verdict_on(samples_with({}), threads).reason, turns);
  const Verdict noisy = verdict_on({{.seconds = 1, .peak_gflops = 1}}, threads);
  EXPECT_EQ(noisy.status, "noisy");
  EXPECT_TRUE(noisy.reason.starts_with(turns + "; no 95 % interval")) << noisy.reason;
}

const Case kGru{.layer = {.model = "gru", .kernel = "hoisted", .width = 16},
                .shape = {.batch = 2, .steps = 9}};

double number(const CsvRow& row, const std::string& column) {
  return std::stod(row.at(column).text());
}

TEST(MeasuredCells, FollowFromTheSamples) {
  std::vector<Sample> samples = samples_with({});
  samples[0].seconds = 9;  // and no longer the shortest: the median moves up by one
  const double flops = kGru.cost().flops;
  const double middle = 1.005;
  const CsvRow row = measured_cells(kGru, samples, 0.5, {});
  EXPECT_EQ(row.at("repetitions").text(), "9");
  EXPECT_DOUBLE_EQ(number(row, "seconds"), middle);
  // Of nine sorted values, the second and the eighth.
  EXPECT_DOUBLE_EQ(number(row, "seconds_low"), 0.99);
  EXPECT_DOUBLE_EQ(number(row, "seconds_high"), 1.02);
  EXPECT_DOUBLE_EQ(number(row, "tokens_per_second"), 2 * 9 / middle);
  EXPECT_DOUBLE_EQ(number(row, "gflops"), 1e-9 * flops / middle);
  EXPECT_DOUBLE_EQ(number(row, "peak_gflops"), 100);
  EXPECT_DOUBLE_EQ(number(row, "fraction_of_peak"), 1e-9 * flops / middle / 100);
  EXPECT_DOUBLE_EQ(number(row, "limit_seconds"), 0.5);
  EXPECT_DOUBLE_EQ(number(row, "fraction_of_limit"), 0.5 / middle);
  EXPECT_EQ(row.at("outliers").text(), "0");
  EXPECT_EQ(row.at("status").text(), "ok");
  EXPECT_EQ(row.at("reason").text(), "");
}

TEST(MeasuredCells, OfALimitThatIsNotKnownAreEmpty) {
  const CsvRow row = measured_cells(kGru, samples_with({}), kUnknown, {});
  EXPECT_EQ(row.at("limit_seconds").text(), "");
  EXPECT_EQ(row.at("fraction_of_limit").text(), "");
}

TEST(MeasuredCells, StandInTheSweepsRow) {
  const std::map<int, MachineLimits> limits{
      {1,
       {.threads = 1,
        .peak_gflops = 50,
        .bandwidth = {{.working_set_bytes = 1 << 20, .bytes_per_second = 1e9}}}}};
  Measurement measurement;
  measurement.the_case = kGru;
  measurement.samples = samples_with({});
  measurement.samples.resize(kLeastForInterval - 1);
  measurement.peak_bytes = 7;
  const CsvRow row = throughput_row(measurement, {.run_id = "run", .limits = limits});
  const double limit = limit_seconds_at(kGru, limits.at(1), 100);
  for (const auto& [column, cell] : measured_cells(kGru, measurement.samples, limit, {})) {
    EXPECT_EQ(row.at(column).text(), cell.text()) << column;
  }
  EXPECT_EQ(row.at("peak_bytes").text(), "7");
  EXPECT_EQ(row.at("status").text(), "noisy");
  EXPECT_GT(number(row, "limit_seconds"), 0);
}

}  // namespace
}  // namespace seqbench
