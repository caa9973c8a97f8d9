#include "harness/run_directory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "harness/errors.h"

namespace seqbench {
namespace {

namespace fs = std::filesystem;

class RunDirectoryTest : public testing::Test {
 protected:
  void SetUp() override { fs::remove_all(root_); }
  void TearDown() override { fs::remove_all(root_); }

  RunDirectory open(std::vector<std::string> more = {}) {
    line_ = std::make_unique<CommandLine>("sample", "", "", "");
    add_output_options(*line_);
    more.insert(more.begin(), {"--out", root_.string()});
    line_->parse(more);
    return RunDirectory(*line_, {"throughput.csv"});
  }

  fs::path root_ = fs::path(testing::TempDir()) / "seqbench_run_directory_test";
  std::unique_ptr<CommandLine> line_;
};

TEST_F(RunDirectoryTest, IsCreatedAndNamesTheRun) {
  const RunDirectory directory = open();
  EXPECT_TRUE(fs::is_directory(root_));
  EXPECT_EQ(directory.run_id(), "seqbench_run_directory_test");
}

TEST_F(RunDirectoryTest, RefusesAFileOfItsOwnUnlessResuming) {
  fs::create_directories(root_);
  std::ofstream(root_ / "throughput.csv") << "precious";
  EXPECT_THROW(open(), UsageError);
  EXPECT_TRUE(open({"--resume"}).resuming());
  std::ifstream file(root_ / "throughput.csv");
  std::string text;
  file >> text;
  EXPECT_EQ(text, "precious");
}

TEST_F(RunDirectoryTest, AcceptsTheFilesOfOtherCommands) {
  fs::create_directories(root_);
  std::ofstream(root_ / "recall.csv") << "other";
  EXPECT_NO_THROW(open());
}

TEST_F(RunDirectoryTest, RecordsMachineAndCommands) {
  RunDirectory first = open();
  first.record_command("throughput", *line_, {{{"threads", 1}}});
  first.record_end(0);
  RunDirectory second = open();
  second.record_command("recall", *line_);
  std::ifstream file(root_ / "machine.json");
  const auto machine = nlohmann::json::parse(file);
  EXPECT_EQ(machine["run_id"], "seqbench_run_directory_test");
  EXPECT_FALSE(machine["cpu"].get<std::string>().empty());
  EXPECT_EQ(machine["probes"][0]["threads"], 1);  // kept by a command that does not probe
  ASSERT_EQ(machine["commands"].size(), 2u);
  EXPECT_EQ(machine["commands"][0]["exit_code"], 0);
  EXPECT_EQ(machine["commands"][1]["command"], "recall");
}

TEST_F(RunDirectoryTest, NamesAFolderThatCannotBeCreated) {
  fs::create_directories(root_.parent_path());
  std::ofstream(root_.string()) << "a file in the way";
  try {
    open();
    FAIL();
  } catch (const FileError& error) {
    EXPECT_NE(std::string(error.what()).find("--out"), std::string::npos) << error.what();
  }
}

TEST_F(RunDirectoryTest, ReplacesAFileWhole) {
  fs::create_directories(root_);
  replace_file(root_ / "f", "one");
  replace_file(root_ / "f", "two");
  std::ifstream file(root_ / "f");
  std::string text;
  file >> text;
  EXPECT_EQ(text, "two");
  EXPECT_THROW(replace_file(root_ / "missing" / "f", "x"), FileError);
}

}  // namespace
}  // namespace seqbench
