#include "harness/commands/recall.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "core/affinity.h"
#include "harness/base/durable_file.h"
#include "harness/base/errors.h"
#include "harness/files/csv.h"
#include "tests/harness/temporary_folder.h"

namespace seqbench {
namespace {

namespace fs = std::filesystem;

class RecallCommand : public FolderTest {
 protected:
  /// Runs small trainings into run_.
  int run(std::vector<std::string> arguments) {
    const std::vector<std::string> small = {"--width", "8", "--heads",      "2",
                                            "--batch", "4", "--no-progress"};
    if (std::ranges::find(arguments, "--preset") == arguments.end()) {
      arguments.insert(arguments.end(), small.begin(), small.end());
    }
    if (std::ranges::find(arguments, "--gradient-steps") == arguments.end()) {
      arguments.insert(arguments.end(), {"--gradient-steps", "3"});
    }
    if (std::ranges::find(arguments, "--out") == arguments.end()) {
      arguments.insert(arguments.end(), {"--out", run_.string()});
    }
    return captured(arguments);
  }
  /// Runs the command, and keeps what it prints.
  int captured(const std::vector<std::string>& arguments) {
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
  CsvTable table(const std::string& name) const { return read_csv(run_ / name); }

  const fs::path run_ = folder_ / "run";
  std::string output_;
};

TEST_F(RecallCommand, WritesARowForEveryTraining) {
  ASSERT_EQ(run({"--distance", "4,8", "--seeds", "2", "--seed", "5", "--steps", "21",
                 "--gradient-steps", "7"}),
            0);
  std::set<std::vector<std::string>> trainings;
  for (const auto& row : table("recall.csv")) {
    trainings.insert({row.at("model"), row.at("variant"), row.at("distance"), row.at("seed")});
    EXPECT_EQ(row.at("status"), "ok");
    EXPECT_EQ(row.at("run_id"), run_.filename());
    EXPECT_EQ(row.at("train_distance"), row.at("distance"));
    EXPECT_EQ(row.at("seq_len"), row.at("distance"));
    EXPECT_EQ(row.at("heads"), row.at("model") == "attention" ? "2" : "");
    EXPECT_EQ(row.at("layers"), row.at("model") == "attention" ? "2" : "1");
    EXPECT_EQ(row.at("steps"), "21");
    EXPECT_EQ(row.at("schedule_steps"), "21");
    EXPECT_EQ(row.at("chance"), "0.0625");
    EXPECT_EQ(std::stod(row.at("baseline_loss")), std::log(16.0));
    EXPECT_GT(std::stod(row.at("train_seconds")), 0);
    EXPECT_TRUE(row.at("solved") == "true" || row.at("solved") == "false");
  }
  // elman, lstm, gru and mingru, chrono of the latter three, attention.
  EXPECT_EQ(trainings.size(), 8u * 2 * 2);
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

TEST_F(RecallCommand, PutsRecurrentLayersIntoTheBlocksOfAttention) {
  const std::vector<std::string> options = {
      "--model", "lstm,attention", "--variant", "default,learned", "--distance", "6", "--seeds",
      "1", "--steps", "20", "--block", "layer,model",
      // As many bare layers as blocks: the place alone tells the trainings apart.
      "--layers", "2"};
  ASSERT_EQ(run(options), 0);
  std::map<std::vector<std::string>, std::map<std::string, std::string>> rows;
  for (const auto& row : table("recall.csv")) {
    rows[{row.at("model"), row.at("block"), row.at("layers")}] = row;
  }
  ASSERT_EQ(rows.size(), 3u);
  ASSERT_EQ(table("recall.csv").size(), 3u);
  const auto& bare = rows.at({"lstm", "layer", "2"});
  const auto& blocks = rows.at({"lstm", "model", "2"});
  const auto& attention = rows.at({"attention", "model", "2"});
  // A block beside its layer, at width D = 8: two norms and the MLP. Around all of them the table,
  // the last norm and the readout, and attention's positions.
  constexpr int D = 8, kBlock = 2 * 2 * D + (8 * D * D + 5 * D), kLstm = 4 * (2 * D * D + 2 * D);
  constexpr int kAround = 33 * D + 16 * D + 16;
  EXPECT_EQ(bare.at("parameters"), std::to_string(kAround + 2 * kLstm));
  EXPECT_EQ(blocks.at("parameters"), std::to_string(kAround + 2 * D + 2 * (kLstm + kBlock)));
  EXPECT_EQ(attention.at("parameters"),
            std::to_string(kAround + 2 * D + 2 * (4 * D * D + 4 * D + kBlock) + 6 * D));
  for (const char* name : {"learning.csv", "gradient.csv", "decay.csv"}) {
    std::set<std::string> places;
    for (const auto& row : table(name)) places.insert(row.at("model") + row.at("block"));
    EXPECT_EQ(places, (std::set<std::string>{"lstmlayer", "lstmmodel", "attentionmodel"})) << name;
  }
  // Each is a training of its own: nothing is left to do.
  auto resumed = options;
  resumed.push_back("--resume");
  const CsvTable before = table("recall.csv");
  ASSERT_EQ(run(resumed), 0);
  EXPECT_EQ(table("recall.csv"), before);

  // mqar has all models in the same blocks: one training for both names.
  fs::remove_all(run_);
  ASSERT_EQ(run({"--task", "mqar", "--model", "lstm", "--variant", "conv3", "--distance", "32",
                 "--seeds", "1", "--steps", "2", "--block", "layer,model"}),
            0);
  ASSERT_EQ(table("recall.csv").size(), 1u);
  EXPECT_EQ(table("recall.csv")[0].at("block"), "model");
  fs::remove_all(run_);
  EXPECT_THROW(run({"--task", "copy_all", "--model", "lstm", "--block", "model"}), UsageError);
  EXPECT_THROW(run({"--block", "wall"}), UsageError);
}

TEST_F(RecallCommand, SaysWhatGuessingGivesAndWhatCameOut) {
  ASSERT_EQ(run({"--task", "mqar,adding,first_token", "--model", "gru", "--variant", "default",
                 "--distance", "50", "--seeds", "1", "--steps", "2"}),
            0);
  std::map<std::string, std::map<std::string, std::string>> rows;
  for (const auto& row : table("recall.csv")) rows[row.at("task")] = row;
  EXPECT_EQ(rows.at("mqar").at("chance_uninformed"), "0.0078125");
  EXPECT_EQ(rows.at("first_token").at("chance_uninformed"), "0.0625");
  EXPECT_EQ(rows.at("adding").at("chance_uninformed"), "");
  // Two steps teach nothing.
  EXPECT_EQ(rows.at("mqar").at("outcome"), "untrained");
  EXPECT_NE(output_.find("untrained"), std::string::npos);
}

TEST_F(RecallCommand, ResultsDependNeitherOnTheRunNorOnTheThreads) {
  std::map<std::string, CsvTable> first;
  for (const std::string threads : {"1", "2", "2"}) {
    fs::remove_all(run_);
    ASSERT_EQ(run({"--distance", "4,6", "--seeds", "1", "--steps", "20", "--threads", threads}), 0);
    for (const char* name : {"recall.csv", "learning.csv", "gradient.csv"}) {
      CsvTable rows = table(name);
      ASSERT_FALSE(rows.empty()) << name;
      for (auto& row : rows) {
        for (const char* timed : {"train_seconds", "seconds_to_solve", "seconds"}) row.erase(timed);
      }
      std::ranges::sort(rows);  // trainings end in any order
      if (!first.contains(name)) first[name] = rows;
      EXPECT_EQ(rows, first[name]) << name << ", " << threads << " threads";
    }
  }
}

TEST_F(RecallCommand, ResumesWhereItStopped) {
  const std::vector<std::string> options = {"--model", "elman,lstm", "--distance", "4,6",
                                            "--seeds", "1",          "--steps",    "20"};
  ASSERT_EQ(run(options), 0);
  const CsvTable whole = table("recall.csv");
  ASSERT_EQ(whole.size(), 6u);

  // As a kill leaves it: the last row torn, its learning and gradient rows there.
  const fs::path file = run_ / "recall.csv";
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
    EXPECT_STREQ(
        error.what(),
        "--resume: first_token causal single gru default 1 layer distance 4 seed 1 is there with "
        "schedule_steps 2, now 3 "
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

TEST_F(RecallCommand, SkipsWhatExceedsTheMemoryLimitAndTakesItAgainWithMore) {
  std::vector<std::string> options = {"--model", "elman", "--distance",     "4", "--seeds", "1",
                                      "--steps", "2",     "--memory-limit", "1K"};
  ASSERT_EQ(run(options), 0);
  ASSERT_EQ(table("recall.csv").size(), 1u);
  EXPECT_EQ(table("recall.csv")[0].at("status"), "skipped");
  EXPECT_NE(table("recall.csv")[0].at("reason").find(" of 1.0 KiB "), std::string::npos)
      << table("recall.csv")[0].at("reason");

  options.back() = "1G";
  options.push_back("--resume");
  ASSERT_EQ(run(options), 0);
  ASSERT_EQ(table("recall.csv").size(), 1u);
  EXPECT_EQ(table("recall.csv")[0].at("status"), "ok");
}

TEST_F(RecallCommand, ReportsATrainingThatFailsUntilAResumedRunReplacesIt) {
  const auto training = [](const std::string& model, const std::string& rate) {
    return std::vector<std::string>{"--model",         model, "--distance", "4",   "--seeds", "1",
                                    "--learning-rate", rate,  "--steps",    "100", "--resume"};
  };
  EXPECT_EQ(run(training("attention", "1000")), 1);
  const CsvTable failed = table("recall.csv");
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_EQ(failed[0].at("status"), "failed");
  EXPECT_LT(std::stoi(failed[0].at("steps")), 100);
  EXPECT_EQ(failed[0].at("schedule_steps"), "100");

  // Another training beside it: the failed one's rows stay, and are still told of.
  EXPECT_EQ(run(training("elman", "0.001")), 1);
  const CsvTable both = table("recall.csv");
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(both[0], failed[0]);

  // Again, as its reason advises, and one more behind it. The failed one's rows are replaced, those
  // of the other training are not.
  auto mending = training("attention", "0.001");
  mending[5] = "2";
  mending.insert(mending.end(), {"--threads", "1"});
  EXPECT_EQ(run(mending), 0);
  const CsvTable mended = table("recall.csv");
  ASSERT_EQ(mended.size(), 3u);
  EXPECT_EQ(mended[0], both[1]);
  for (std::size_t i = 1; i < 3; ++i) {
    EXPECT_EQ(mended[i].at("model"), "attention");
    EXPECT_EQ(mended[i].at("seed"), std::to_string(i));
    EXPECT_EQ(mended[i].at("status"), "ok");
  }
  EXPECT_EQ(table("learning.csv").size(), 3u * 5);
  // At three distances, before training, after 100 steps and at the end.
  EXPECT_EQ(table("gradient.csv").size(), 3u * 3 * 3);
}

TEST_F(RecallCommand, ResumingReplacesLeftRowsOfAnUnfinishedTrainingAndKeepsAllOthers) {
  const std::vector<std::string> options = {"--distance", "4", "--seeds", "1", "--steps", "2"};
  const auto training = [&](const std::string& model) {
    auto arguments = options;
    arguments.insert(arguments.end(), {"--model", model, "--variant", "default", "--resume"});
    return arguments;
  };
  ASSERT_EQ(run(training("gru")), 0);
  const CsvTable learning = table("learning.csv");
  // As a kill leaves it before the row in recall.csv is written.
  fs::remove(run_ / "recall.csv");
  ASSERT_EQ(run(training("elman")), 0);
  EXPECT_EQ(table("learning.csv").size(), 2u);
  EXPECT_EQ(table("learning.csv")[0], learning[0]);
  ASSERT_EQ(run(training("gru")), 0);
  EXPECT_EQ(table("recall.csv").size(), 2u);
  EXPECT_EQ(table("learning.csv").size(), 2u);
  EXPECT_EQ(table("gradient.csv").size(), 2u * 2 * 3);
}

TEST_F(RecallCommand, RefusesToResumeFilesOfOtherColumnsAndChangesNothing) {
  const std::vector<std::string> options = {"--model", "elman", "--distance", "4", "--steps", "2",
                                            "--seeds", "1",     "--resume"};
  for (const std::string name :
       {"recall.csv", "learning.csv", "gradient.csv", "decay.csv", "gap.csv"}) {
    fs::remove_all(run_);
    ASSERT_EQ(run(options), 0);
    const std::string foreign = "run_id,colour\r\nrun,blue\r\n";
    std::ofstream(run_ / name) << foreign;
    std::map<std::string, std::string> before;
    for (const auto& entry : fs::directory_iterator(run_)) {
      before[entry.path().filename()] = read_file(entry.path());
    }
    EXPECT_EQ(before.at(name), foreign);
    try {
      run(options);
      ADD_FAILURE() << name << " was accepted";
    } catch (const FileError& error) {
      EXPECT_EQ(std::string(error.what()),
                (run_ / name).string() + ": has other columns than this version writes");
    }
    for (const auto& [file, text] : before) EXPECT_EQ(read_file(run_ / file), text) << file;
  }
}

TEST_F(RecallCommand, TellsTheShortestDistanceOfTheTask) {
  try {
    run({"--task", "mqar", "--pairs", "8", "--distance", "23"});
    FAIL() << "accepted";
  } catch (const UsageError& error) {
    EXPECT_STREQ(error.what(),
                 "--distance: '23' is not allowed; expected at least 24 (sequence length) for task "
                 "mqar with 8 pairs");
  }
}

TEST_F(RecallCommand, TakesAVariantOnceUnderItsFullName) {
  ASSERT_EQ(run({"--variant", "conv3,default+conv3", "--model", "gru,attention", "--distance", "4",
                 "--seeds", "1", "--steps", "2"}),
            0);
  std::set<std::pair<std::string, std::string>> trainings;
  for (const auto& row : table("recall.csv")) {
    trainings.insert({row.at("model"), row.at("variant")});
  }
  EXPECT_EQ(trainings, (std::set<std::pair<std::string, std::string>>{
                           {"gru", "default+conv3"}, {"attention", "learned+conv3"}}));
  EXPECT_EQ(table("recall.csv").size(), 2u);
}

TEST_F(RecallCommand, TrainsEveryTask) {
  ASSERT_EQ(run({"--task", "all", "--model", "gru,attention", "--variant", "default,learned",
                 "--distance", "32", "--seeds", "1", "--steps", "3"}),
            0);
  std::map<std::string, std::string> lengths, chances, pairs;
  for (const auto& row : table("recall.csv")) {
    EXPECT_EQ(row.at("status"), "ok");
    EXPECT_EQ(row.at("distance"), "32");
    lengths[row.at("task")] = row.at("seq_len");
    chances[row.at("task")] = row.at("chance");
    pairs[row.at("task")] = row.at("pairs");
  }
  // Two models each of our own six and of three word problems, of coreference in two set-ups and
  // of hidden_verb. Of those of published settings copy_all has a GRU, mqar_8k, associative_recall
  // and induction have attention.
  EXPECT_EQ(table("recall.csv").size(), 2u * (6 + 3 + 2 + 1) + 4);
  EXPECT_EQ(lengths["copy"], "52");
  EXPECT_EQ(lengths["mqar"], "32");
  EXPECT_EQ(chances["mqar"], "0.5");
  EXPECT_EQ(chances["parity"], "0.5");
  EXPECT_EQ(chances["copy"], "0.125");
  EXPECT_EQ(pairs["mqar"], "2");
  EXPECT_EQ(pairs["copy"], "");
  std::set<std::string> by_gap;
  for (const auto& row : table("gap.csv")) by_gap.insert(row.at("task"));
  EXPECT_EQ(by_gap, (std::set<std::string>{"mqar", "mqar_8k", "parity", "word_problem",
                                           "word_problem_a5", "word_problem_z60"}));
}

TEST_F(RecallCommand, PosesTheWordProblemInTheGroupAskedFor) {
  const auto run_group = [&](std::vector<std::string> options) {
    const std::vector<std::string> common = {"--model", "elman", "--distance", "4",
                                             "--seeds", "1",     "--steps",    "2"};
    options.insert(options.end(), common.begin(), common.end());
    return run(options);
  };
  ASSERT_EQ(run_group({"--task", "word_problem", "--group", "a5"}), 0);
  EXPECT_EQ(table("recall.csv").front().at("task"), "word_problem_a5");
  EXPECT_EQ(std::stod(table("recall.csv").front().at("chance")), 1.0 / 60);
  fs::remove_all(run_);
  ASSERT_EQ(run_group({"--task", "word_problem", "--group", "s3"}), 0);
  EXPECT_EQ(table("recall.csv").front().at("task"), "word_problem");
  const auto error_of = [&](const std::vector<std::string>& options) {
    try {
      run_group(options);
    } catch (const UsageError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(error_of({"--task", "word_problem", "--group", "s4"}),
            "--group: 's4' is not allowed; expected one of s3, z60, a5");
  EXPECT_EQ(error_of({"--task", "parity", "--group", "a5"}),
            "--group: 'a5' is not allowed; expected nothing without --task word_problem");
}

TEST_F(RecallCommand, TestsAtFurtherDistances) {
  ASSERT_EQ(run({"--task", "word_problem", "--model", "gru,attention", "--distance", "8",
                 "--test-distance", "8,16,4", "--seeds", "1", "--steps", "2"}),
            0);
  std::set<std::pair<std::string, std::string>> tested;
  for (const auto& row : table("recall.csv")) {
    EXPECT_EQ(row.at("train_distance"), "8");
    EXPECT_EQ(row.at("distance"), row.at("seq_len"));
    tested.insert({row.at("model"), row.at("distance")});
  }
  EXPECT_EQ(tested.size(), 6u);
}

TEST_F(RecallCommand, TheFrontierHasARowForEveryWidthAndNumberOfPairs) {
  const std::vector<std::string> options = {
      "--frontier", "--model", "gru,attention", "--width", "8,16",    "--pairs", "2,4",
      "--distance", "32",      "--seeds",       "1",       "--steps", "2"};
  const auto run_frontier = [&](std::vector<std::string> more) {
    std::vector<std::string> all = options;
    all.insert(all.end(), {"--batch", "4", "--no-progress", "--out", run_.string()});
    all.insert(all.end(), more.begin(), more.end());
    return captured(all);
  };
  const auto cpus = allowed_cpus();
  ASSERT_EQ(run_frontier({}), 0);
  EXPECT_EQ(allowed_cpus(), cpus);  // timing has not pinned what runs the trainings
  const CsvTable rows = table("frontier.csv");
  ASSERT_EQ(rows.size(), 8u);
  std::set<std::vector<std::string>> kinds;
  for (const auto& row : rows) {
    kinds.insert({row.at("model"), row.at("width"), row.at("pairs")});
    EXPECT_EQ(row.at("task"), "mqar");
    EXPECT_EQ(row.at("variant"), row.at("model") == "gru" ? "default+conv3" : "learned+conv3");
    EXPECT_EQ(row.at("status"), "ok");
    EXPECT_GT(std::stod(row.at("decode_tokens_per_second")), 0);
    EXPECT_GT(std::stod(row.at("parameters")), 0);
    EXPECT_EQ(std::stod(row.at("chance")), 1 / std::stod(row.at("pairs")));
    const double width = std::stod(row.at("width"));
    // Two layers of states and of two inputs of a convolution, or of 32 keys and values.
    const double vectors = row.at("model") == "gru" ? 2 * 3 : 2 * (2 * 32 + 2);
    EXPECT_EQ(std::stod(row.at("state_bytes")), 4 * width * vectors);
  }
  EXPECT_EQ(kinds.size(), 8u);
  EXPECT_FALSE(fs::exists(run_ / "recall.csv"));
  // What is there stays as it is; the same training with another budget is refused.
  ASSERT_EQ(run_frontier({"--resume"}), 0);
  EXPECT_EQ(table("frontier.csv"), rows);
  EXPECT_THROW(run_frontier({"--resume", "--learning-rate", "0.5"}), UsageError);
}

TEST_F(RecallCommand, AblationsHaveARowForEveryPart) {
  ASSERT_EQ(run({"--ablate", "--seeds", "1", "--steps", "2", "--distance", "32"}), 0);
  std::map<std::string, int> counts;
  for (const auto& row : table("ablation.csv")) {
    ++counts[row.at("task") + " " + row.at("ablation")];
    EXPECT_EQ(row.at("model"), "attention");
    EXPECT_EQ(row.at("setup"), "causal");
    EXPECT_EQ(row.at("heads"), row.at("ablation") == "one_head" ? "1" : "2");
    EXPECT_EQ(row.at("status"), "ok");
    EXPECT_FALSE(row.at("outcome").empty());
  }
  EXPECT_EQ(counts.size(), 12u);
  for (const auto& [kind, count] : counts) EXPECT_EQ(count, 1) << kind;
}

TEST_F(RecallCommand, RegimesAndLayersAreRowsOfTheirOwn) {
  ASSERT_EQ(run({"--model", "lstm", "--variant", "default", "--distance", "4,8", "--seeds", "1",
                 "--steps", "2", "--regime", "single,mixed", "--layers", "1,2"}),
            0);
  std::set<std::vector<std::string>> rows;
  for (const auto& row : table("recall.csv")) {
    rows.insert({row.at("regime"), row.at("layers"), row.at("train_distance"), row.at("distance")});
    EXPECT_EQ(row.at("mixture"), row.at("regime") == "mixed" ? "4 8" : "");
  }
  std::set<std::vector<std::string>> expected;
  for (const std::string layers : {"1", "2"}) {
    for (const std::string distance : {"4", "8"}) {
      expected.insert({"single", layers, distance, distance});
    }
    for (const std::string distance : {"4", "8", "16"}) {
      expected.insert({"mixed", layers, "8", distance});
    }
  }
  EXPECT_EQ(rows, expected);
  EXPECT_EQ(table("recall.csv").size(), expected.size());
  // Before and after training: of the longest distance, of the mixture.
  EXPECT_EQ(table("decay.csv").size(), 2u * 2 * 2);
  for (const auto& row : table("decay.csv")) {
    EXPECT_EQ(row.at("last_distance"), "3");
    EXPECT_LT(std::stod(row.at("decades_per_step")), 0);
  }
}

TEST_F(RecallCommand, RefusesToResumeAnotherMixture) {
  const auto mixed = [](const std::string& distances) {
    return std::vector<std::string>{"--model",  "gru",        "--variant", "default",  "--seeds",
                                    "1",        "--steps",    "2",         "--regime", "mixed",
                                    "--resume", "--distance", distances};
  };
  ASSERT_EQ(run(mixed("4,8")), 0);
  EXPECT_EQ(run(mixed("8,4")), 0);
  EXPECT_THROW(run(mixed("5,8")), UsageError);
}

TEST_F(RecallCommand, MatchesParametersAtEachDistance) {
  ASSERT_EQ(run({"--distance", "4,8", "--seeds", "1", "--steps", "1", "--match", "parameters"}), 0);
  std::map<std::string, std::vector<double>> counts;
  for (const auto& row : table("recall.csv")) {
    counts[row.at("distance")].push_back(std::stod(row.at("parameters")));
  }
  EXPECT_EQ(counts.size(), 2u);
  for (const auto& [distance, parameters] : counts) {
    const double largest = *std::ranges::max_element(parameters);
    EXPECT_EQ(parameters.size(), 8u);
    for (const double count : parameters) EXPECT_GE(count, 0.9 * largest) << distance;
  }
}

TEST_F(RecallCommand, TuningWritesEveryRateOnceAndNothingElse) {
  const std::vector<std::string> options = {
      "--tune", "--model", "gru", "--variant", "default", "--distance", "2,3,4", "--steps", "100"};
  ASSERT_EQ(run(options), 0);
  const CsvTable rows = table("tuning.csv");
  std::map<double, std::set<std::string>> seeds;  // by rate
  for (const auto& row : rows) {
    seeds[std::stod(row.at("learning_rate"))].insert(row.at("seed"));
    EXPECT_EQ(row.at("distance"), "3");
    EXPECT_EQ(row.at("block"), "layer");
  }
  EXPECT_EQ(rows.size(), 3 * seeds.size());
  EXPECT_GE(seeds.size(), 4u);
  for (const auto& [rate, of_rate] : seeds) {
    EXPECT_EQ(of_rate, (std::set<std::string>{"1000", "1001", "1002"})) << rate;
  }
  for (const double rate : {3e-4, 1e-3, 3e-3, 1e-2}) EXPECT_TRUE(seeds.contains(rate)) << rate;
  // So few steps are best used at a rate above the first four.
  EXPECT_TRUE(seeds.contains(3e-2));
  EXPECT_FALSE(fs::exists(run_ / "recall.csv"));
  EXPECT_NE(output_.find("  best\n"), std::string::npos);
  EXPECT_EQ(output_.find("  best\n"), output_.rfind("  best\n"));

  auto again = options;
  again.push_back("--resume");
  ASSERT_EQ(run(again), 0);
  EXPECT_EQ(table("tuning.csv"), rows);
}

TEST_F(RecallCommand, NamesTheModelsThatPresetsHave) {
  const auto refusal = [this](const std::string& presets) -> std::string {
    try {
      run({"--preset", presets, "--model", "attention"});
    } catch (const UsageError& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refusal("copy-1000"),
            "--model: 'attention' is not allowed; expected one that the preset has: lstm");
  EXPECT_EQ(refusal("copy-1000,copy-10k"),
            "--model: 'attention' is not allowed; expected one that the presets have: gru, lstm");
}

TEST_F(RecallCommand, NamesTheVariantsThatTheChosenModelsHave) {
  try {
    run({"--model", "elman,attention", "--variant", "chrono"});
    FAIL() << "accepted";
  } catch (const UsageError& error) {
    EXPECT_STREQ(
        error.what(),
        "--variant: 'chrono' is not allowed; expected one that elman,attention has: default, "
        "orthogonal, learned, sinusoidal, rotary, nopos, meanpool, window8, noanswer, conv3, "
        "default+conv3, orthogonal+conv3, learned+conv3, sinusoidal+conv3, rotary+conv3, "
        "nopos+conv3, meanpool+conv3, window8+conv3, noanswer+conv3");
  }
}

TEST_F(RecallCommand, RefusesWhatFollowsTwoDashes) {
  const std::vector<std::string> arguments = {"--", "--benchmark_repetitions=2"};
  EXPECT_THROW(recall_command(arguments), UsageError);
}

TEST_F(RecallCommand, RefusesBadOptionsByNameAndWritesNothing) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--task", "second_token"}, "--task: 'second_token'"},
      {{"--variant", "choronic"}, "--variant: 'choronic'"},
      {{"--variant", "conv5"}, "--variant: 'conv5'"},
      {{"--variant", "conv3+learned"}, "--variant: 'conv3+learned'"},
      {{"--model", "elman", "--variant", "forget1+conv3"}, "--variant: 'forget1+conv3'"},
      {{"--model", "elman", "--variant", "chrono"}, "--variant: 'chrono'"},
      {{"--model", "transformer"}, "--model: 'transformer'"},
      {{"--distance", "1"}, "--distance: '1'"},
      {{"--task", "adding", "--distance", "1"}, "--distance: '1'"},
      {{"--task", "copy", "--distance", "0"}, "--distance: '0'"},
      {{"--task", "parity", "--distance", "64,1"}, "--distance: '1'"},
      {{"--task", "mqar", "--distance", "31"}, "--distance: '31'"},
      {{"--task", "mqar", "--pairs", "8", "--distance", "23"}, "--distance: '23'"},
      {{"--task", "mqar", "--pairs", "1"}, "--pairs: '1'"},
      {{"--task", "mqar", "--pairs", "128"}, "--pairs: '128'"},
      {{"--task", "copy", "--pairs", "4"}, "--pairs: '4'"},
      {{"--task", "mqar,parity", "--pairs", "4"}, "--pairs: '4'"},
      {{"--distance", "8..0"}, "--distance: '8..0'"},
      {{"--regime", "triple"}, "--regime: 'triple'"},
      {{"--match", "flops"}, "--match: 'flops'"},
      {{"--test-distance", "1"}, "--test-distance: '1'"},
      {{"--frontier", "--regime", "mixed"}, "--regime: 'mixed'"},
      {{"--frontier", "--pairs", "1"}, "--pairs: '1'"},
      {{"--frontier", "--tune"}, "--frontier: 'true'"},
      {{"--ablate", "--frontier"}, "--ablate: 'true'"},
      {{"--ablate", "--model", "gru"}, "--model: 'gru'"},
      {{"--ablate", "--layers", "1,2"}, "--layers: '1,2'"},
      {{"--ablate", "--save-models"}, "--save-models: 'true'"},
      {{"--gradient-steps", "0"}, "--gradient-steps: '0'"},
      {{"--preset", "first"}, "--preset: 'first'"},
      {{"--preset", "first-token,first"}, "--preset: 'first'"},
      {{"--preset", "first-token", "--steps", "10"}, "--steps: '10'"},
      {{"--preset", "first-token", "--task", "copy"}, "--task: 'copy'"},
      {{"--seeds", "0"}, "--seeds: '0'"},
      {{"--seed", "-1"}, "--seed: '-1'"},
      {{"--steps", "7x"}, "--steps: '7x'"},
      {{"--layers", "18446744073709551616"}, "--layers: '18446744073709551616'"},
      {{"--learning-rate", "nan"}, "--learning-rate: 'nan'"},
      {{"--learning-rate", "0"}, "--learning-rate: '0'"},
      {{"--memory-limit", "much"}, "--memory-limit: 'much'"},
      {{"--threads", "1000000000"}, "--threads: '1000000000'"},
  };
  for (const auto& [arguments, start] : cases) {
    try {
      run(arguments);
      ADD_FAILURE() << start << " was accepted";
    } catch (const UsageError& error) {
      EXPECT_EQ(std::string(error.what()).substr(0, start.size()), start);
    }
    EXPECT_FALSE(fs::exists(run_));
  }
}

}  // namespace
}  // namespace seqbench
