#include "harness/timing/scaling_analysis.h"

#include <gtest/gtest.h>

#include <cmath>

#include "harness/timing/throughput_rows.h"

namespace seqbench {
namespace {

/// A measured row whose interval is ±10 % of the median.
std::map<std::string, std::string> measured(const std::string& model, Index seq_len, Index threads,
                                            double flops, double seconds) {
  std::map<std::string, std::string> row;
  for (const std::string& column : kThroughputColumns) row[column] = "";
  const bool attention = model == "attention";
  row["run_id"] = "run";
  row["model"] = model;
  row["kernel"] = attention ? "fused" : "hoisted";
  row["pass"] = "train";
  row["batch"] = "1";
  row["seq_len"] = std::to_string(seq_len);
  row["width"] = "256";
  row["heads"] = attention ? "4" : "";
  row["causal"] = attention ? "false" : "";
  row["threads"] = std::to_string(threads);
  row["flops"] = CsvCell(flops).text();
  row["seconds"] = CsvCell(seconds).text();
  row["seconds_low"] = CsvCell(0.9 * seconds).text();
  row["seconds_high"] = CsvCell(1.1 * seconds).text();
  row["tokens_per_second"] = CsvCell(double(seq_len) / seconds).text();
  row["status"] = "ok";
  row["block"] = "layer";
  row["match"] = "width";
  row["dtype"] = "float32";
  return row;
}

double value(const CsvRow& row, const std::string& column) {
  return std::strtod(row.at(column).text().c_str(), nullptr);
}

TEST(Speedup, IsOfTheSameScopeAndOfEqualParametersByAttentionsWidth) {
  CsvTable table = {measured("attention", 128, 1, 100, 2.0), measured("lstm", 128, 1, 300, 9.0)};
  for (std::size_t i = 0; i < 2; ++i) {
    auto row = table[i];
    row["block"] = "model";
    row["layers"] = "2";
    row["match"] = "parameters";
    row["match_width"] = "256";
    if (row["model"] == "lstm") row["width"] = "222";
    row["tokens_per_second"] = i == 0 ? "30" : "10";
    table.push_back(row);
  }
  const std::vector<CsvRow> rows = compute_speedups(table);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_DOUBLE_EQ(value(rows[0], "speedup"), 4.5);
  EXPECT_EQ(rows[0].at("block").text(), "layer");
  EXPECT_DOUBLE_EQ(value(rows[1], "speedup"), 3);
  EXPECT_EQ(rows[1].at("block").text(), "model");
  EXPECT_EQ(rows[1].at("width").text(), "256");
  EXPECT_EQ(rows[1].at("match").text(), "parameters");
  EXPECT_EQ(rows[1].at("layers").text(), "2");
}

TEST(Speedup, AndGrowthAndCrossoverAreOfOnePrecision) {
  CsvTable table;
  for (const Index length : {128, 256}) {
    for (const Index threads : {1, 2}) {
      for (const double factor : {1.0, 0.25}) {  // attention is four times as fast in bfloat16
        table.push_back(measured("attention", length, threads, 100, factor * double(length) / 100));
        table.push_back(measured("lstm", length, threads, 300, 2));
        if (factor == 1.0) continue;
        for (auto row = table.end() - 2; row != table.end(); ++row) (*row)["dtype"] = "bfloat16";
      }
    }
  }
  const std::vector<CsvRow> rows = compute_speedups(table);
  ASSERT_EQ(rows.size(), 8u);
  for (const CsvRow& row : rows) {
    const bool rounds = row.at("dtype").text() == "bfloat16";
    const double length = value(row, "seq_len");
    EXPECT_NEAR(value(row, "speedup"), (rounds ? 8 : 2) / (length / 100), 1e-12);
    EXPECT_DOUBLE_EQ(value(row, "parallel_ratio"), 1);
  }
  for (const CsvRow& fit : fit_scaling(table)) {
    const bool grows = fit.at("variable").text() == "seq_len";
    const bool attention = fit.at("model").text() == "attention";
    EXPECT_NEAR(value(fit, "exponent"), grows && attention ? 1 : 0, 1e-12);
  }
  const std::vector<CsvRow> crossovers = find_crossovers(rows);
  ASSERT_EQ(crossovers.size(), 4u);
  for (const CsvRow& crossing : crossovers) {
    const bool rounds = crossing.at("dtype").text() == "bfloat16";
    EXPECT_EQ(crossing.at("status").text(), rounds ? "always_ahead" : "ok");
    if (!rounds) {
      EXPECT_NEAR(value(crossing, "crossover_seq_len"), 200, 1e-9);
    }
  }
}

TEST(Speedup, IsTheProductOfItsThreeRatios) {
  const CsvTable table = {measured("attention", 128, 1, 100, 2.0),
                          measured("attention", 128, 2, 100, 1.0),
                          measured("lstm", 128, 1, 300, 9.0), measured("lstm", 128, 2, 300, 6.0)};
  const std::vector<CsvRow> rows = compute_speedups(table);
  ASSERT_EQ(rows.size(), 2u);
  const CsvRow& two_threads = rows[1];
  EXPECT_EQ(two_threads.at("threads").text(), "2");
  EXPECT_EQ(two_threads.at("baseline_model").text(), "lstm");
  EXPECT_DOUBLE_EQ(value(two_threads, "speedup"), 6.0);
  EXPECT_DOUBLE_EQ(value(two_threads, "work_ratio"), 3.0);
  EXPECT_DOUBLE_EQ(value(two_threads, "efficiency_ratio"), (100 / 2.0) / (300 / 9.0));
  EXPECT_DOUBLE_EQ(value(two_threads, "parallel_ratio"), 2.0 / 1.5);
  EXPECT_NEAR(value(two_threads, "work_ratio") * value(two_threads, "efficiency_ratio") *
                  value(two_threads, "parallel_ratio"),
              6.0, 1e-12);
  // Both medians uncertain by 10 %: on logarithms √2 times as much.
  EXPECT_NEAR(value(two_threads, "speedup_low"),
              6 * std::exp(-std::hypot(std::log(1.1), std::log(1 / 0.9))), 1e-9);
  EXPECT_EQ(two_threads.at("status").text(), "ok");
}

TEST(Speedup, TellsANoisyOrMissingSide) {
  CsvTable table = {measured("attention", 128, 1, 1, 1), measured("lstm", 128, 1, 1, 1),
                    measured("gru", 128, 1, 1, 1)};
  table[1]["status"] = "noisy";
  table[2]["status"] = "skipped";
  table[2]["seconds"] = "";
  const std::vector<CsvRow> rows = compute_speedups(table);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].at("status").text(), "noisy");
  EXPECT_EQ(rows[1].at("status").text(), "skipped");
  EXPECT_EQ(rows[1].count("speedup"), 0u);
}

TEST(Speedup, LeavesOutWhatNeedsOneThreadWhereThatIsMissing) {
  const CsvTable table = {measured("attention", 128, 2, 100, 1), measured("lstm", 128, 2, 300, 6),
                          measured("lstm", 128, 1, 300, 9)};
  const std::vector<CsvRow> rows = compute_speedups(table);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_DOUBLE_EQ(value(rows[0], "speedup"), 6);
  EXPECT_FALSE(rows[0].contains("efficiency_ratio"));
  EXPECT_FALSE(rows[0].contains("parallel_ratio"));
}

TEST(Speedup, OfAnAttentionThatWasNotMeasuredIsEmpty) {
  CsvTable table = {measured("attention", 128, 1, 1, 1), measured("lstm", 128, 1, 1, 1)};
  table[0]["status"] = "skipped";
  table[0]["seconds"] = "";
  const std::vector<CsvRow> rows = compute_speedups(table);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].at("status").text(), "skipped");
  EXPECT_TRUE(find_crossovers(rows).empty());
  EXPECT_TRUE(fit_scaling(table).empty());  // one length and no second
}

TEST(Scaling, FitsEveryVariableThatVaries) {
  CsvTable table;
  for (const Index length : {64, 128, 256, 512, 1024}) {
    table.push_back(measured("attention", length, 1, 1, 1e-6 * double(length * length)));
  }
  const std::vector<CsvRow> rows = fit_scaling(table);
  ASSERT_EQ(rows.size(), 2u);  // all five lengths, and the last four
  EXPECT_EQ(rows[0].at("variable").text(), "seq_len");
  EXPECT_NEAR(value(rows[0], "exponent"), 2, 1e-9);
  EXPECT_EQ(value(rows[0], "from"), 64);
  EXPECT_EQ(value(rows[1], "from"), 128);
  EXPECT_EQ(value(rows[1], "to"), 1024);

  const CsvTable threads = {measured("lstm", 64, 1, 1, 4), measured("lstm", 64, 2, 1, 2)};
  const std::vector<CsvRow> of_threads = fit_scaling(threads);
  ASSERT_EQ(of_threads.size(), 1u);
  EXPECT_EQ(of_threads[0].at("variable").text(), "threads");
  EXPECT_NEAR(value(of_threads[0], "exponent"), -1, 1e-12);
  EXPECT_EQ(of_threads[0].at("exponent_low").text(), "");
}

TEST(Crossover, InterpolatesWhereTheLeadIsLost) {
  // Speedup 4 at 128, 1/4 at 512: on logarithms the lead ends half way, at 256.
  const CsvTable table = {measured("attention", 128, 1, 1, 1), measured("lstm", 128, 1, 1, 4),
                          measured("attention", 512, 1, 1, 4), measured("lstm", 512, 1, 1, 1)};
  const std::vector<CsvRow> rows = find_crossovers(compute_speedups(table));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_NEAR(value(rows[0], "crossover_seq_len"), 256, 1e-9);
  EXPECT_EQ(rows[0].at("status").text(), "ok");
}

TEST(Crossover, LiesWhereTheSpeedupMayFallToOne) {
  // The baseline's time is known to a factor of 2 to either side, attention's exactly: the ends of
  // the speedups' intervals, 2 and 1/8 below, 8 and 1/2 above, fall through 1 at 256/√2 and at
  // 256·√2.
  CsvTable table = {measured("attention", 128, 1, 1, 1), measured("lstm", 128, 1, 1, 4),
                    measured("attention", 512, 1, 1, 4), measured("lstm", 512, 1, 1, 1)};
  for (auto& row : table) {
    const double factor = row.at("model") == "lstm" ? 2 : 1, seconds = std::stod(row.at("seconds"));
    row["seconds_low"] = CsvCell(seconds / factor).text();
    row["seconds_high"] = CsvCell(seconds * factor).text();
  }
  const std::vector<CsvRow> rows = find_crossovers(compute_speedups(table));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_NEAR(value(rows[0], "crossover_low"), 256 / std::sqrt(2), 1e-9);
  EXPECT_NEAR(value(rows[0], "crossover_seq_len"), 256, 1e-9);
  EXPECT_NEAR(value(rows[0], "crossover_high"), 256 * std::sqrt(2), 1e-9);
}

TEST(Crossover, OfAnUnboundedIntervalEndsWhereTheLengthsDo) {
  CsvTable table = {measured("attention", 128, 1, 1, 1), measured("lstm", 128, 1, 1, 2),
                    measured("attention", 512, 1, 1, 2), measured("lstm", 512, 1, 1, 1)};
  for (auto& row : table) {
    row["seconds_low"] = CsvCell(std::stod(row.at("seconds")) / 4).text();
    row["seconds_high"] = CsvCell(std::stod(row.at("seconds")) * 4).text();
  }
  const std::vector<CsvRow> rows = find_crossovers(compute_speedups(table));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(value(rows[0], "crossover_low"), 128);
  EXPECT_EQ(value(rows[0], "crossover_high"), 512);
}

TEST(Crossover, IsPredictedByTheLengthOfEqualWork) {
  // 8·T·D² + 4·T²·D is 4·G·T·D² at T = (G − 2)·D.
  CsvTable table;
  for (const Index length : {64, 4096}) {
    const double T = double(length), D = 256;
    table.push_back(measured("attention", length, 1, 1, 1));
    table.back()["flops"] = CsvCell(8 * T * D * D + 4 * T * T * D).text();
    for (const auto& [model, gates] :
         {std::pair("lstm", 4), std::pair("gru", 3), std::pair("elman", 1)}) {
      table.push_back(measured(model, length, 1, 1, 1));
      table.back()["flops"] = CsvCell(4 * gates * T * D * D).text();
    }
  }
  const std::vector<CsvRow> rows = find_crossovers(compute_speedups(table));
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].at("predicted").text(), "");  // Elman does less at any length
  EXPECT_NEAR(value(rows[1], "predicted"), 256, 1e-6);
  EXPECT_NEAR(value(rows[2], "predicted"), 512, 1e-6);
}

TEST(Crossover, IsTheLastOfSeveral) {
  // Speedups 1/2, 2, 1/2 at 64, 128, 512: the lead won at 64 is no crossover, its loss at 256 is.
  const CsvTable table = {measured("attention", 64, 1, 1, 2),  measured("lstm", 64, 1, 1, 1),
                          measured("attention", 128, 1, 1, 1), measured("lstm", 128, 1, 1, 2),
                          measured("attention", 512, 1, 1, 2), measured("lstm", 512, 1, 1, 1)};
  const std::vector<CsvRow> rows = find_crossovers(compute_speedups(table));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_NEAR(value(rows[0], "crossover_seq_len"), 256, 1e-9);
}

TEST(Crossover, SaysWhenTheLeadIsNeverLostOrNeverHeld) {
  const CsvTable table = {measured("attention", 128, 1, 1, 1), measured("lstm", 128, 1, 1, 2),
                          measured("elman", 128, 1, 1, 0.5)};
  const std::vector<CsvRow> rows = find_crossovers(compute_speedups(table));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].at("baseline_model").text(), "elman");
  EXPECT_EQ(rows[0].at("status").text(), "never_ahead");
  EXPECT_EQ(rows[1].at("status").text(), "always_ahead");
}

}  // namespace
}  // namespace seqbench
