#include "harness/timing/sweep_tables.h"

#include <gtest/gtest.h>

#include <fstream>
#include <optional>

#include "harness/timing/case.h"
#include "harness/timing/throughput_rows.h"
#include "tests/harness/temporary_folder.h"

namespace seqbench {
namespace {

CaseGroup group_of_length(Index steps) {
  CaseGroup group;
  for (const char* model : {"gru", "lstm"}) {
    group.cases.push_back({.layer = {.model = model, .kernel = "hoisted", .width = 16},
                           .shape = {.batch = 1, .steps = steps}});
  }
  return group;
}

class SweepTablesTest : public FolderTest {
 protected:
  void SetUp() override { reopen(); }

  /// As the next process finds the files.
  void reopen() {
    tables_.reset();
    directory_.reset();
    CommandLine line("sample", "", "", "");
    add_output_options(line);
    line.parse({"--out", folder_.string(), "--resume"});
    directory_.emplace(line, std::vector<std::string>{kThroughputFile, kSamplesFile});
    tables_.emplace(*directory_);
  }

  void add_samples(const CaseGroup& group, double seconds) {
    for (const Case& one : group.cases) {
      tables_->add_sample({{"case_id", one.id()}, {"seconds", seconds}});
    }
  }

  void finish(const CaseGroup& group, const std::string& status = "ok") {
    std::vector<CsvRow> rows;
    for (const Case& one : group.cases) {
      rows.push_back({{"case_id", one.id()}, {"status", status}});
    }
    tables_->finish(rows);
  }

  /// "case_id seconds" of every sample on the disk.
  std::vector<std::string> samples() const {
    std::vector<std::string> found;
    for (const auto& row : read_csv(folder_ / kSamplesFile)) {
      found.push_back(row.at("case_id") + " " + row.at("seconds"));
    }
    return found;
  }

  std::size_t rows() const { return read_csv(folder_ / kThroughputFile).size(); }

  std::optional<RunDirectory> directory_;
  std::optional<SweepTables> tables_;
  const CaseGroup short_ = group_of_length(4), long_ = group_of_length(8);
};

TEST_F(SweepTablesTest, HoldASampleWhenItIsTakenAndARowWhenItsGroupIsFinished) {
  tables_->begin(short_);
  tables_->add_sample({{"case_id", short_.cases[0].id()}, {"seconds", 1}});
  EXPECT_EQ(samples(), std::vector{short_.cases[0].id() + " 1"});
  tables_->add_sample({{"case_id", short_.cases[1].id()}, {"seconds", 2}});
  EXPECT_EQ(samples().size(), 2u);
  EXPECT_EQ(rows(), 0u);
  EXPECT_FALSE(tables_->holds_finished(short_));
  finish(short_);
  EXPECT_EQ(rows(), 2u);
  EXPECT_TRUE(tables_->holds_finished(short_));
  EXPECT_FALSE(tables_->holds_finished(long_));
}

TEST_F(SweepTablesTest, DropTheSamplesOfAGroupThatWasCutOff) {
  tables_->begin(short_);
  add_samples(short_, 1);
  finish(short_);
  tables_->begin(long_);
  add_samples(long_, 2);
  reopen();
  EXPECT_TRUE(tables_->holds_finished(short_));
  EXPECT_EQ(samples(), (std::vector{short_.cases[0].id() + " 1", short_.cases[1].id() + " 1"}));
  tables_->begin(long_);
  add_samples(long_, 3);
  finish(long_);
  EXPECT_EQ(samples().size(), 4u);
  EXPECT_EQ(samples().back(), long_.cases[1].id() + " 3");
}

TEST_F(SweepTablesTest, TakeAGroupAnewOfWhichOnlySomeRowsWereWritten) {
  tables_->begin(short_);
  add_samples(short_, 1);
  tables_->finish({{{"case_id", short_.cases[0].id()}, {"status", "ok"}}});
  reopen();
  EXPECT_FALSE(tables_->holds_finished(short_));
  tables_->begin(short_);
  EXPECT_EQ(rows(), 0u);
  EXPECT_TRUE(samples().empty());
}

TEST_F(SweepTablesTest, TakeAGroupWithAFailedCaseAnew) {
  tables_->begin(short_);
  add_samples(short_, 1);
  finish(short_, "failed");
  tables_->begin(long_);
  add_samples(long_, 2);
  finish(long_);
  reopen();
  EXPECT_FALSE(tables_->holds_finished(short_));
  tables_->begin(short_);
  add_samples(short_, 3);
  finish(short_);
  reopen();
  EXPECT_EQ(rows(), 4u);
  EXPECT_EQ(samples(), (std::vector{long_.cases[0].id() + " 2", long_.cases[1].id() + " 2",
                                    short_.cases[0].id() + " 3", short_.cases[1].id() + " 3"}));
}

TEST_F(SweepTablesTest, KeepTheSamplesOfAGroupUnderWayWhenAnotherIsTakenAnew) {
  finish(long_, "failed");
  reopen();
  tables_->begin(short_);
  add_samples(short_, 1);
  tables_->begin(long_);
  EXPECT_EQ(rows(), 0u);
  EXPECT_EQ(samples().size(), 2u);
}

TEST_F(SweepTablesTest, KeepTheRowsOfOtherPrograms) {
  tables_->finish({{{"case_id", "gru:pytorch"}, {"status", "ok"}}});
  tables_->add_sample({{"case_id", "gru:pytorch"}, {"seconds", 1}});
  reopen();
  tables_->begin(short_);
  EXPECT_EQ(rows(), 1u);
  EXPECT_EQ(samples().size(), 1u);
}

}  // namespace
}  // namespace seqbench
