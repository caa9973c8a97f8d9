#include "harness/recall.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "harness/csv.h"
#include "harness/errors.h"

namespace seqbench {
namespace {

namespace fs = std::filesystem;

/// A directory of its own for each test, removed at the end.
class RecallCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              ("seqbench-recall-" + std::to_string(::getpid()) + "-" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  /// Runs small trainings into the directory.
  int run(std::vector<std::string> arguments) {
    const std::vector<std::string> small = {"--width", "8", "--heads",      "2",
                                            "--batch", "4", "--no-progress"};
    arguments.insert(arguments.end(), small.begin(), small.end());
    if (std::ranges::find(arguments, "--out") == arguments.end()) {
      arguments.insert(arguments.end(), {"--out", folder_.string()});
    }
    ::testing::internal::CaptureStdout();
    int code = -1;
    try {
      code = recall_command(arguments);
    } catch (...) {
      ::testing::internal::GetCapturedStdout();
      throw;
    }
    output_ = ::testing::internal::GetCapturedStdout();
    return code;
  }
  CsvTable table(const std::string& name) const { return read_csv(folder_ / name); }

  fs::path folder_;
  std::string output_;
};

TEST_F(RecallCommand, WritesARowForEveryTraining) {
  ASSERT_EQ(run({"--distance", "4,8", "--seeds", "2", "--seed", "5", "--steps", "21"}), 0);
  std::set<std::vector<std::string>> trainings;
  for (const auto& row : table("recall.csv")) {
    trainings.insert({row.at("model"), row.at("variant"), row.at("distance"), row.at("seed")});
    EXPECT_EQ(row.at("status"), "ok");
    EXPECT_EQ(row.at("run_id"), folder_.filename());
    EXPECT_EQ(row.at("train_distance"), row.at("distance"));
    EXPECT_EQ(row.at("seq_len"), row.at("distance"));
    EXPECT_EQ(row.at("heads"), row.at("model") == "attention" ? "2" : "");
    EXPECT_EQ(row.at("layers"), row.at("model") == "attention" ? "2" : "1");
    EXPECT_EQ(row.at("steps"), "21");
    EXPECT_EQ(row.at("chance"), "0.0625");
    EXPECT_EQ(std::stod(row.at("baseline_loss")), std::log(16.0));
    EXPECT_GT(std::stod(row.at("train_seconds")), 0);
    EXPECT_TRUE(row.at("solved") == "true" || row.at("solved") == "false");
  }
  // elman, lstm, gru, chrono lstm, attention.
  EXPECT_EQ(trainings.size(), 5u * 2 * 2);
  EXPECT_EQ(table("recall.csv").size(), trainings.size());
  EXPECT_TRUE(trainings.contains({"lstm", "chrono", "8", "6"}));

  // Points after 20 steps and at the end.
  EXPECT_EQ(table("learning.csv").size(), 2 * trainings.size());
  // Gradients for the longest distance alone: 7 distances, before and after training.
  EXPECT_EQ(table("gradient.csv").size(), trainings.size() / 2 * 2 * 7);
  for (const auto& row : table("gradient.csv")) {
    EXPECT_EQ(row.at("train_distance"), "8");
    EXPECT_TRUE(row.at("stage") == "init" || row.at("stage") == "trained");
    EXPECT_EQ(row.at("distance") == "1", row.at("relative_gradient_norm") == "1");
  }
  EXPECT_NE(output_.find("accuracy, median over seeds"), std::string::npos);
}

TEST_F(RecallCommand, ResultsDoNotDependOnThreads) {
  std::map<std::string, CsvTable> recall;
  for (const std::string threads : {"1", "2"}) {
    fs::remove_all(folder_);
    ASSERT_EQ(run({"--distance", "4,6", "--seeds", "1", "--steps", "5", "--threads", threads}), 0);
    CsvTable rows = table("recall.csv");
    for (auto& row : rows) {
      for (const char* timed : {"train_seconds", "seconds_to_solve"}) row.erase(timed);
    }
    std::ranges::sort(rows);
    recall[threads] = rows;
  }
  EXPECT_EQ(recall["1"], recall["2"]);
}

TEST_F(RecallCommand, ResumesWhereItStopped) {
  const std::vector<std::string> options = {"--model", "gru,lstm", "--distance", "4,6",
                                            "--seeds", "1",        "--steps",    "20"};
  ASSERT_EQ(run(options), 0);
  const CsvTable whole = table("recall.csv");
  ASSERT_EQ(whole.size(), 6u);

  // As a kill leaves it: the last row torn, its learning and gradient rows there.
  const fs::path file = folder_ / "recall.csv";
  fs::resize_file(file, fs::file_size(file) - 3);
  auto resumed = options;
  resumed.push_back("--resume");
  ASSERT_EQ(run(resumed), 0);
  const CsvTable again = table("recall.csv");
  ASSERT_EQ(again.size(), 6u);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(again[i], whole[i]);
  EXPECT_EQ(again[5].at("loss"), whole[5].at("loss"));
  EXPECT_EQ(table("learning.csv").size(), 6u);

  // Nothing left to do, then more seeds.
  ASSERT_EQ(run(resumed), 0);
  EXPECT_EQ(table("recall.csv"), again);
  resumed[5] = "2";
  ASSERT_EQ(run(resumed), 0);
  EXPECT_EQ(table("recall.csv").size(), 12u);
}

TEST_F(RecallCommand, RefusesToResumeOtherSettings) {
  ASSERT_EQ(run({"--model", "gru", "--distance", "4", "--seeds", "1", "--steps", "2"}), 0);
  try {
    run({"--model", "gru", "--distance", "4", "--seeds", "1", "--steps", "3", "--resume"});
    FAIL() << "accepted";
  } catch (const UsageError& error) {
    EXPECT_STREQ(error.what(),
                 "--resume: first_token gru default distance 4 seed 1 is there with steps 2, now 3 "
                 "is asked for; expected the same settings, or another --out");
  }
}

TEST_F(RecallCommand, SkipsWhatDoesNotFitIntoMemory) {
  ASSERT_EQ(run({"--model", "lstm", "--variant", "default", "--distance", "2147483647", "--seeds",
                 "1", "--steps", "1"}),
            0);
  ASSERT_EQ(table("recall.csv").size(), 1u);
  EXPECT_EQ(table("recall.csv")[0].at("status"), "skipped");
  EXPECT_NE(table("recall.csv")[0].at("reason").find("needs "), std::string::npos);
}

TEST_F(RecallCommand, ReportsATrainingThatFails) {
  EXPECT_EQ(run({"--model", "attention", "--distance", "4", "--seeds", "1", "--steps", "100",
                 "--learning-rate", "1000"}),
            1);
  EXPECT_EQ(table("recall.csv")[0].at("status"), "failed");
}

TEST_F(RecallCommand, RefusesBadOptionsByNameAndWritesNothing) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--task", "second_token"}, "--task: 'second_token'"},
      {{"--variant", "choronic"}, "--variant: 'choronic'"},
      {{"--model", "gru", "--variant", "chrono"}, "--variant: 'chrono'"},
      {{"--model", "transformer"}, "--model: 'transformer'"},
      {{"--distance", "1"}, "--distance: '1'"},
      {{"--distance", "8..0"}, "--distance: '0'"},
      {{"--seeds", "0"}, "--seeds: '0'"},
      {{"--seed", "-1"}, "--seed: '-1'"},
      {{"--steps", "7x"}, "--steps: '7x'"},
      {{"--layers", "18446744073709551616"}, "--layers: '18446744073709551616'"},
      {{"--learning-rate", "nan"}, "--learning-rate: 'nan'"},
      {{"--learning-rate", "0"}, "--learning-rate: '0'"},
      {{"--threads", "1000000000"}, "--threads: '1000000000'"},
  };
  for (const auto& [arguments, start] : cases) {
    try {
      run(arguments);
      ADD_FAILURE() << start << " was accepted";
    } catch (const UsageError& error) {
      EXPECT_EQ(std::string(error.what()).substr(0, start.size()), start);
    }
    EXPECT_FALSE(fs::exists(folder_));
  }
}

}  // namespace
}  // namespace seqbench
