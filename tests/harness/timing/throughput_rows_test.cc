#include "harness/timing/throughput_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "core/bfloat16.h"
#include "harness/machine/placement.h"

namespace seqbench {
namespace {

const Case kGru{.layer = {.model = "gru", .kernel = "hoisted", .width = 16},
                .pass = Pass::kTrain,
                .shape = {.batch = 2, .steps = 8}};

/// Seven repetitions of 10 ms and 100 GFLOP/s, the last of 20 ms.
Measurement measured(const Case& one) {
  Measurement measurement;
  measurement.the_case = one;
  measurement.peak_bytes = 4096;
  for (const double spread : {0., 1., -1., 2., -2., 0.5}) {
    measurement.samples.push_back({.seconds = 0.01 * (1 + 0.01 * spread), .peak_gflops = 100});
  }
  measurement.samples.push_back({.seconds = 0.02, .peak_gflops = 100});
  return measurement;
}

std::map<int, MachineLimits> limits_of(int threads) {
  return {{threads, {.threads = threads, .peak_gflops = 50, .bandwidth = {{1, 1e9}, {2, 1e9}}}}};
}

double number(const CsvRow& row, const std::string& column) {
  return std::stod(row.at(column).text());
}

void expect_columns(const CsvRow& row, const std::vector<std::string>& columns) {
  for (const auto& [column, cell] : row) {
    EXPECT_NE(std::ranges::find(columns, column), columns.end()) << column;
  }
}

TEST(ThroughputRows, TellTheCase) {
  const CsvRow row = static_cells(kGru);
  expect_columns(row, kThroughputColumns);
  for (const auto& [column, text] :
       {std::pair("model", "gru"), std::pair("kernel", "hoisted"), std::pair("pass", "train"),
        std::pair("batch", "2"), std::pair("seq_len", "8"), std::pair("width", "16"),
        std::pair("threads", "1"), std::pair("dtype", "float32")}) {
    EXPECT_EQ(row.at(column).text(), text) << column;
  }
  EXPECT_EQ(number(row, "parameters"), 6 * 16 * 16 + 6 * 16);
  EXPECT_EQ(number(row, "flops"), 3 * 12 * 2 * 8 * 16 * 16);  // 12·D² a token forward
  EXPECT_EQ(number(row, "state_bytes"), 2 * 16 * 4);          // h of each sequence
  EXPECT_EQ(number(row, "predicted_bytes"), kGru.predicted_bytes());
  EXPECT_FALSE(row.contains("heads"));
  EXPECT_FALSE(row.contains("causal"));
  EXPECT_EQ(row.at("variant").text(), "default");
  Case started = kGru;
  started.start = "chrono";
  EXPECT_EQ(static_cells(started).at("variant").text(), "chrono");
}

TEST(ThroughputRows, TellHowFactorsInBfloat16AreMultiplied) {
  Case one{.layer = {.model = "lstm", .kernel = "persistent", .factors = Factors::kBfloat16},
           .shape = {.batch = 1, .steps = 8}};
  EXPECT_EQ(static_cells(one).at("dtype").text(), "bfloat16");
  EXPECT_EQ(static_cells(one).at("form").text(),
            std::string("matrix-vector sequences/1 ") + bfloat16_form());
  one.layer = {.model = "attention", .kernel = "fused", .factors = Factors::kBfloat16};
  EXPECT_EQ(static_cells(one).at("form").text(), bfloat16_form());
}

TEST(ThroughputRows, TellTheSweepsOfAKernelThatTakesThem) {
  const auto limits = limits_of(1);
  Measurement measurement = measured(kGru);
  EXPECT_FALSE(throughput_row(measurement, {.run_id = "run", .limits = limits}).contains("sweeps"));
  measurement.sweeps.windows = 4;
  measurement.sweeps.count(5, true, 1e-7);
  measurement.sweeps.count(4, true, 1e-6);
  measurement.sweeps.count(3, false, 1);
  measurement.sweeps.count(0, false, 0);
  const CsvRow row = throughput_row(measurement, {.run_id = "run", .limits = limits});
  expect_columns(row, kThroughputColumns);
  EXPECT_EQ(number(row, "sweeps"), 3);
  EXPECT_EQ(number(row, "fallback_share"), 0.5);
  EXPECT_EQ(measurement.sweeps.least, 4);
  EXPECT_EQ(measurement.sweeps.most, 5);
  EXPECT_EQ(measurement.sweeps.residual, 1e-6);
}

TEST(ThroughputRows, HaveHeadsAndCausalOfAttentionAlone) {
  Case one = kGru;
  one.layer = {.model = "attention", .kernel = "fused", .width = 16, .heads = 2, .causal = true};
  const CsvRow row = static_cells(one);
  EXPECT_EQ(row.at("heads").text(), "2");
  EXPECT_EQ(row.at("causal").text(), "true");
  EXPECT_FALSE(row.contains("variant"));
}

TEST(ThroughputRows, FollowFromTheSamples) {
  const auto limits = limits_of(1);
  const CsvRow row = throughput_row(measured(kGru), {.run_id = "run", .limits = limits});
  expect_columns(row, kThroughputColumns);
  const double flops = 3 * 12 * 2 * 8 * 16 * 16, seconds = 0.01005;  // the fourth of seven
  EXPECT_EQ(row.at("run_id").text(), "run");
  EXPECT_EQ(row.at("case_id").text(), kGru.id());
  EXPECT_EQ(row.at("repetitions").text(), "7");
  EXPECT_DOUBLE_EQ(number(row, "seconds"), seconds);
  EXPECT_DOUBLE_EQ(number(row, "seconds_low"), 0.0098);  // 95 % of seven values: all of them
  EXPECT_DOUBLE_EQ(number(row, "seconds_high"), 0.02);
  EXPECT_DOUBLE_EQ(number(row, "tokens_per_second"), 16 / seconds);
  EXPECT_DOUBLE_EQ(number(row, "gflops"), 1e-9 * flops / seconds);
  EXPECT_EQ(number(row, "peak_gflops"), 100);  // as sampled, not as probed
  EXPECT_DOUBLE_EQ(number(row, "fraction_of_peak"), 1e-9 * flops / seconds / 100);
  const double limit = limit_seconds_at(kGru, limits.at(1), 100);
  EXPECT_DOUBLE_EQ(number(row, "limit_seconds"), limit);
  EXPECT_DOUBLE_EQ(number(row, "fraction_of_limit"), limit / seconds);
  EXPECT_EQ(row.at("peak_bytes").text(), "4096");
  EXPECT_EQ(row.at("outliers").text(), "6");
  EXPECT_EQ(row.at("status").text(), "noisy");
  EXPECT_FALSE(row.at("reason").text().empty());
}

TEST(ThroughputRows, TellRanksAndTheirMessages) {
  Case shared = kGru;
  shared.ranks = 3;
  shared.strategy = "data";
  Measurement measurement = measured(shared);
  measurement.predicted_bytes = 1234;
  double comm_seconds = 0.001;
  for (Sample& sample : measurement.samples) {
    sample.comm_seconds = comm_seconds;
    sample.bytes_sent = 800;
    comm_seconds += 0.001;
  }
  const auto limits = limits_of(1);
  const CsvRow row = throughput_row(measurement, {.run_id = "run", .limits = limits});
  expect_columns(row, kThroughputColumns);
  EXPECT_EQ(row.at("ranks").text(), "3");
  EXPECT_EQ(row.at("strategy").text(), "data");
  EXPECT_DOUBLE_EQ(number(row, "comm_seconds"), 0.004);  // the fourth of seven
  EXPECT_EQ(row.at("bytes_sent").text(), "800");
  EXPECT_EQ(row.at("predicted_bytes").text(), "1234");
  // What one process is limited by says nothing of three.
  EXPECT_EQ(row.at("limit_seconds").text(), "");
  EXPECT_EQ(row.at("fraction_of_limit").text(), "");
  EXPECT_FALSE(row.contains("form"));

  const CsvRow alone = throughput_row(measured(kGru), {.run_id = "run", .limits = limits});
  EXPECT_FALSE(alone.contains("ranks"));
  EXPECT_FALSE(alone.contains("comm_seconds"));
  EXPECT_FALSE(alone.contains("bytes_sent"));
}

TEST(ThroughputRows, AreNoisyWhereNothingMeasuredCanBeTrusted) {
  Measurement steady = measured(kGru);
  steady.samples.back().seconds = 0.01;
  const auto limits = limits_of(1);
  CsvRow row =
      throughput_row(steady, {.run_id = "run", .limits = limits, .doubt = "5 ranks share 2 CPUs"});
  EXPECT_EQ(row.at("status").text(), "noisy");
  EXPECT_EQ(row.at("reason").text(), "5 ranks share 2 CPUs");
  row = throughput_row(measured(kGru), {.run_id = "run", .limits = limits, .doubt = "a doubt"});
  EXPECT_TRUE(row.at("reason").text().starts_with("a doubt; ")) << row.at("reason").text();
}

TEST(ThroughputRows, AreOkWithoutNoise) {
  Measurement steady = measured(kGru);
  steady.samples.back().seconds = 0.01;
  const auto limits = limits_of(1);
  const CsvRow row = throughput_row(steady, {.run_id = "run", .limits = limits});
  EXPECT_EQ(row.at("status").text(), "ok");
  EXPECT_EQ(row.at("reason").text(), "");
  EXPECT_EQ(row.at("outliers").text(), "");
}

TEST(ThroughputRows, MarkThreadsThatShareCpus) {
  const auto cpus = static_cast<int>(usable_cpus().size());
  Case crowded = kGru;
  crowded.threads = cpus + 1;
  const auto limits = limits_of(cpus + 1);
  const CsvRow row = throughput_row(measured(crowded), {.run_id = "run", .limits = limits});
  EXPECT_TRUE(row.at("reason").text().starts_with(std::to_string(cpus + 1) + " threads on " +
                                                  std::to_string(cpus) + " CPUs"))
      << row.at("reason").text();
}

TEST(ThroughputRows, OfWhatWasNotTimedSayWhy) {
  Measurement skipped;
  skipped.the_case = kGru;
  skipped.status = "skipped";
  skipped.reason = "too large";
  const auto limits = limits_of(1);
  const CsvRow row = throughput_row(skipped, {.run_id = "run", .limits = limits});
  EXPECT_EQ(row.at("repetitions").text(), "0");
  EXPECT_EQ(row.at("status").text(), "skipped");
  EXPECT_EQ(row.at("reason").text(), "too large");
  EXPECT_FALSE(row.contains("seconds"));
  EXPECT_EQ(row.at("model").text(), "gru");
}

TEST(SampleRow, LeavesWhatIsNotKnownEmpty) {
  constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
  const Sample sample{.seconds = 0.25,
                      .peak_gflops = 100,
                      .disturbance = {.steal_fraction = kUnknown,
                                      .wait_fraction = kUnknown,
                                      .involuntary_switches = {},
                                      .throttled = {}}};
  const CsvRow row = sample_row({.the_case = kGru, .repetition = 4, .sample = sample}, "run");
  for (const char* column :
       {"steal_fraction", "wait_fraction", "involuntary_switches", "throttled"}) {
    EXPECT_EQ(row.at(column).text(), "") << column;
  }
}

TEST(SampleRow, HasACellForEveryColumn) {
  const Sample sample{.seconds = 0.25,
                      .peak_gflops = 100,
                      .disturbance = {.steal_fraction = 0.125,
                                      .wait_fraction = std::numeric_limits<double>::quiet_NaN(),
                                      .involuntary_switches = 3,
                                      .throttled = 2}};
  const CsvRow row = sample_row({.the_case = kGru, .repetition = 4, .sample = sample}, "run");
  EXPECT_EQ(row.size(), kSamplesColumns.size());
  expect_columns(row, kSamplesColumns);
  for (const auto& [column, text] :
       {std::pair("run_id", "run"), std::pair("repetition", "4"), std::pair("seconds", "0.25"),
        std::pair("peak_gflops", "100"), std::pair("steal_fraction", "0.125"),
        std::pair("wait_fraction", ""), std::pair("involuntary_switches", "3"),
        std::pair("throttled", "2")}) {
    EXPECT_EQ(row.at(column).text(), text) << column;
  }
  EXPECT_EQ(row.at("case_id").text(), kGru.id());
}

}  // namespace
}  // namespace seqbench
