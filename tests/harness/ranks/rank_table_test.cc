#include "harness/ranks/rank_table.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "harness/ranks/local_communicator.h"
#include "harness/timing/throughput_rows.h"
#include "tests/harness/temporary_folder.h"

namespace seqbench {
namespace {

const Case kGru{.layer = {.model = "gru", .kernel = "hoisted", .width = 8},
                .pass = Pass::kTrain,
                .shape = {.batch = 2, .steps = 8},
                .ranks = 2,
                .strategy = "data"};

Measurement measured(const Case& one) {
  Measurement measurement;
  measurement.the_case = one;
  for (const double seconds : {0.01, 0.02, 0.03}) {
    measurement.samples.push_back(
        {.seconds = seconds, .peak_gflops = 10, .comm_seconds = seconds / 10, .bytes_sent = 100});
  }
  return measurement;
}

const MessageCosts kCosts{.alone = {{8, 1e-6}, {1008, 2e-6}}, .shift = {{8, 1e-6}, {1008, 3e-6}}};

TEST(RankTable, PutsWhatIsPredictedBesideWhatIsMeasured) {
  const CsvRow row = rank_row(
      measured(kGru), {.compute_seconds = 0.015, .seconds = 0.018, .messages = 4, .passes = 3},
      kCosts, "run");
  for (const auto& [column, cell] : row) {
    EXPECT_NE(std::ranges::find(kRanksColumns, column), kRanksColumns.end()) << column;
  }
  for (const auto& [column, text] :
       {std::pair("run_id", "run"), std::pair("ranks", "2"), std::pair("strategy", "data"),
        std::pair("threads", "1"), std::pair("seconds", "0.02"), std::pair("comm_seconds", "0.002"),
        std::pair("bytes_sent", "100"), std::pair("messages", "4"),
        std::pair("compute_seconds", "0.015"), std::pair("predicted_seconds", "0.018"),
        std::pair("predicted_passes", "3"), std::pair("latency_seconds", "1e-06")}) {
    EXPECT_EQ(row.at(column).text(), text) << column;
  }
  EXPECT_EQ(row.at("case_id").text(), kGru.id());
  EXPECT_NEAR(std::stod(row.at("bytes_per_second").text()), 1e9, 1);
}

TEST(RankTable, LeavesOutWhatIsNotKnown) {
  const CsvRow row = rank_row(measured(kGru), {}, {}, "run");
  EXPECT_FALSE(row.contains("predicted_seconds"));
  EXPECT_FALSE(row.contains("latency_seconds"));
  EXPECT_EQ(row.at("seconds").text(), "0.02");
}

class RankTableTest : public FolderTest {
 protected:
  /// The case ids in the file after rank 0 has added these measurements, in a run that is begun
  /// anew or resumed.
  std::vector<std::string> ids_after(const std::vector<Measurement>& group) {
    CommandLine line("throughput", "", "", "");
    add_output_options(line);
    line.parse({"--out", (folder_ / "run").string(), "--resume"});
    const RunDirectory directory(line, {});
    RankTable table(directory);
    run_local_ranks(1, [&](Communicator& ranks) {
      RankMember member(ranks, {kGru}, {});
      RankLeader leader(member, {});
      table.add(group, leader);
    });
    std::vector<std::string> ids;
    for (const auto& row : read_csv(directory.file(kRanksFile))) ids.push_back(row.at("case_id"));
    return ids;
  }
};

TEST_F(RankTableTest, HoldsEachCaseOnceAndNoneWithoutARowOfItsOwn) {
  Case other = kGru;
  other.layer.kernel = "persistent";
  Measurement skipped = measured(other);
  skipped.samples.clear();
  EXPECT_EQ(ids_after({measured(kGru), skipped}), (std::vector<std::string>{kGru.id()}));
  // Resumed before throughput.csv had its row: it is dropped, and another comes.
  EXPECT_EQ(ids_after({measured(other)}), (std::vector<std::string>{other.id()}));
  write("run/throughput.csv", "case_id\n" + other.id());
  EXPECT_EQ(ids_after({measured(kGru)}), (std::vector<std::string>{other.id(), kGru.id()}));
  EXPECT_EQ(ids_after({measured(other)}), (std::vector<std::string>{other.id()}));
}

}  // namespace
}  // namespace seqbench
