#include "harness/files/run_directory.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "harness/base/errors.h"
#include "harness/base/interrupt.h"
#include "tests/harness/temporary_folder.h"

namespace seqbench {
namespace {

namespace fs = std::filesystem;

class RunDirectoryTest : public FolderTest {
 protected:
  RunDirectory open(std::vector<std::string> more = {}) {
    line_ = std::make_unique<CommandLine>("sample", "", "", "");
    add_output_options(*line_);
    more.insert(more.begin(), {"--out", root_.string()});
    line_->parse(more);
    return RunDirectory(*line_, {"throughput.csv"});
  }

  nlohmann::json machine() const {
    std::ifstream file(root_ / "machine.json");
    return nlohmann::json::parse(file);
  }

  const fs::path root_ = folder_ / "run";
  std::unique_ptr<CommandLine> line_;
};

TEST_F(RunDirectoryTest, IsCreatedAndNamesTheRun) {
  const RunDirectory directory = open();
  EXPECT_TRUE(fs::is_directory(root_));
  EXPECT_EQ(directory.run_id(), "run");
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
  {
    RunDirectory first = open();
    first.record_command("throughput", *line_, {{{"threads", 1}}});
    first.record_end(0);
  }
  RunDirectory second = open();
  second.record_command("recall", *line_);
  EXPECT_EQ(machine()["run_id"], "run");
  EXPECT_FALSE(machine()["cpu"].get<std::string>().empty());
  EXPECT_EQ(machine()["probes"][0]["threads"], 1);  // kept by a command that does not probe
  ASSERT_EQ(machine()["commands"].size(), 2u);
  EXPECT_EQ(machine()["commands"][0]["exit_code"], 0);
  EXPECT_EQ(machine()["commands"][1]["command"], "recall");
  EXPECT_FALSE(machine()["commands"][1].contains("exit_code"));  // not yet
}

TEST_F(RunDirectoryTest, KeepsEachCommandsProbesAndTheLatestOfEachNumberOfThreads) {
  const auto probe = [](int threads, double peak) {
    return nlohmann::ordered_json{{"threads", threads}, {"peak_gflops", peak}};
  };
  for (const auto& probes : {nlohmann::ordered_json{probe(1, 50), probe(4, 190)},
                             nlohmann::ordered_json{probe(2, 99), probe(1, 51)}}) {
    RunDirectory directory = open();
    directory.record_command("throughput", *line_, probes);
    directory.record_end(0);
  }
  EXPECT_EQ(machine()["commands"][0]["probes"][0]["peak_gflops"], 50);
  EXPECT_EQ(machine()["commands"][1]["probes"][1]["peak_gflops"], 51);
  EXPECT_EQ(machine()["probes"], nlohmann::json({probe(1, 51), probe(2, 99), probe(4, 190)}));
}

TEST_F(RunDirectoryTest, LeavesAMachineFileAloneThatItDoesNotUnderstand) {
  fs::create_directories(root_);
  for (const std::string text : {"", "{\"commands\": [", "[]", "{\"commands\": \"none\"}",
                                 "{\"commands\": [1]}", "{\"probes\": {}}"}) {
    std::ofstream(root_ / "machine.json") << text;
    try {
      open();
      FAIL() << text;
    } catch (const FileError& error) {
      EXPECT_NE(std::string(error.what()).find("machine.json"), std::string::npos) << error.what();
    }
    std::ifstream file(root_ / "machine.json");
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), text);
  }
}

TEST_F(RunDirectoryTest, RecordsTheEndOfACommandThatFails) {
  try {
    RunDirectory directory = open();
    directory.record_command("throughput", *line_);
    throw FileError("disk full");
  } catch (const FileError&) {
  }
  EXPECT_EQ(machine()["commands"][0]["exit_code"], 1);
  EXPECT_TRUE(machine()["commands"][0].contains("ended"));
}

TEST_F(RunDirectoryTest, RecordsTheEndOfACommandThatIsTerminated) {
  const auto run_terminated = [&] {
    install_signal_handlers();
    try {
      RunDirectory directory = open();
      directory.record_command("throughput", *line_);
      std::raise(SIGTERM);
      stop_if_interrupted();
    } catch (const Interrupted& stop) {
      std::_Exit(128 + stop.signal);
    }
    std::_Exit(0);
  };
  EXPECT_EXIT(run_terminated(), testing::ExitedWithCode(143), "");
  EXPECT_EQ(machine()["commands"][0]["exit_code"], 143);
}

TEST_F(RunDirectoryTest, HasOneWriter) {
  {
    const RunDirectory first = open();
    try {
      open({"--resume"});
      FAIL();
    } catch (const FileError& error) {
      EXPECT_NE(std::string(error.what()).find(root_.string()), std::string::npos) << error.what();
    }
  }
  EXPECT_NO_THROW(open());
}

TEST_F(RunDirectoryTest, RefusesWhatAnotherBuildOrMachineWrote) {
  {
    RunDirectory first = open();
    first.record_command("throughput", *line_);
    first.record_end(0);
  }
  for (const char* changed : {"/cpu", "/build/git_commit", "/build/id"}) {
    nlohmann::json other = machine();
    other[nlohmann::json::json_pointer(changed)] = "another";
    const nlohmann::json own = machine();
    std::ofstream(root_ / "machine.json") << other;
    for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--resume"}}) {
      try {
        open(more);
        FAIL() << changed;
      } catch (const UsageError& error) {
        EXPECT_NE(std::string(error.what()).find("'another' then"), std::string::npos)
            << error.what();
      }
    }
    EXPECT_EQ(machine(), other);
    std::ofstream(root_ / "machine.json") << own;
  }
  EXPECT_NO_THROW(open());
}

TEST_F(RunDirectoryTest, RefusesToResumeWithOtherOptions) {
  const std::vector<std::string> sweeps = {"throughput", "scaling"};
  const auto line_of_length = [](const std::string& length) {
    CommandLine line("throughput", "", "", "");
    line.option("length", "8", "");
    line.parse({"--length", length});
    return line;
  };
  {
    RunDirectory first = open();
    first.record_command("throughput", line_of_length("8"));
    first.record_command("recall", line_of_length("64"));
    first.record_end(0);
    EXPECT_NO_THROW(first.refuse_other_options("throughput", line_of_length("9"), sweeps));
  }
  const RunDirectory resumed = open({"--resume"});
  EXPECT_NO_THROW(resumed.refuse_other_options("throughput", line_of_length("8"), sweeps));
  EXPECT_THROW(resumed.refuse_other_options("scaling", line_of_length("8"), sweeps), UsageError);
  try {
    resumed.refuse_other_options("throughput", line_of_length("9"), sweeps);
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("--length: '8' then, '9' now"), std::string::npos)
        << error.what();
  }
}

TEST_F(RunDirectoryTest, RemovesWhatAKilledWriterLeft) {
  fs::create_directories(root_);
  for (const char* name : {"machine.json.new123", "notes.new", "notes.newer1"}) {
    std::ofstream(root_ / name) << "x";
  }
  open();
  EXPECT_FALSE(fs::exists(root_ / "machine.json.new123"));
  EXPECT_TRUE(fs::exists(root_ / "notes.new"));
  EXPECT_TRUE(fs::exists(root_ / "notes.newer1"));
}

TEST_F(RunDirectoryTest, OfAPathThatEndsInASlashIsTheFolderBeforeIt) {
  CommandLine line("sample", "", "", "");
  add_output_options(line);
  line.parse({"--out", root_.string() + "/"});
  EXPECT_EQ(RunDirectory(line, {}).run_id(), "run");
}

TEST_F(RunDirectoryTest, HasANameOfItsOwnWhereNoneIsGiven) {
  fs::create_directories(root_);
  const fs::path before = fs::current_path();
  fs::current_path(root_);
  CommandLine line("sample", "", "", "");
  add_output_options(line);
  line.parse({});
  const fs::path path = RunDirectory(line, {}).path();
  fs::current_path(before);
  EXPECT_EQ(path.parent_path(), fs::canonical(root_) / "results");
  EXPECT_TRUE(fs::is_directory(path));
}

TEST_F(RunDirectoryTest, RefusesANameThatIsNoUtf8WhereverThatComesFrom) {
  const fs::path named = root_.string() + "caf\xe9", link = root_.string() + "link";
  fs::create_directories(named);
  fs::create_directory_symlink(named, link);
  CommandLine line("sample", "", "", "");
  add_output_options(line);
  line.parse({"--out", link.string()});
  try {
    RunDirectory(line, {});
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_TRUE(std::string(error.what()).ends_with("caf\xe9'; expected one whose name is UTF-8"))
        << error.what();
  }
  EXPECT_TRUE(fs::is_empty(named));
}

TEST_F(RunDirectoryTest, NamesAFolderThatCannotBeCreated) {
  std::ofstream(root_.string()) << "a file in the way";
  try {
    open();
    FAIL();
  } catch (const FileError& error) {
    EXPECT_NE(std::string(error.what()).find("--out"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace seqbench
