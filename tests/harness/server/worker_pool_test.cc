#include "harness/server/worker_pool.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "tests/harness/temporary_folder.h"

namespace seqbench {
namespace {

const Case kGru = {.layer = {.model = "gru", .kernel = "hoisted", .width = 8},
                   .shape = {.batch = 1, .steps = 4}};
const Case kLstm = {.layer = {.model = "lstm", .kernel = "hoisted", .width = 8},
                    .shape = {.batch = 1, .steps = 4}};

/// Shell scripts take the part of the processes; each writes down its requests.
class WorkerPoolTest : public FolderTest {
 protected:
  static constexpr const char* kReady = R"(echo '{"status":"ready"}')";
  static constexpr const char* kTaken = R"(echo '{"seconds":0.5,"passes":7,"peak_gflops":9}')";

  static Grid grid() {
    Grid grid;
    grid.models = {"gru"};
    return grid;
  }
  WorkerPool pool(const std::string& on_prepare, const std::string& on_repeat,
                  const MeasureOptions& options) const {
    write("program", "#!/bin/sh\nwhile read -r line; do echo \"$$ $line\" >>'" +
                         (folder_ / "log").string() + "'\ncase $line in *prepare*) " + on_prepare +
                         ";; *repeat*) " + on_repeat + ";; *) echo '{}';; esac; done");
    std::filesystem::permissions(folder_ / "program", std::filesystem::perms::owner_all);
    return WorkerPool(grid(), options, folder_ / "program");
  }
  /// The requests in the order of their arrival, behind the number of the process in that order.
  std::vector<std::string> requests() const {
    std::ifstream file(folder_ / "log");
    std::vector<std::string> processes, found;
    for (std::string line; std::getline(file, line);) {
      const std::string process = line.substr(0, line.find(' '));
      auto known = std::ranges::find(processes, process);
      if (known == processes.end()) known = processes.insert(known, process);
      std::string what = line.substr(line.find(R"("do":")") + 6);
      what = what.substr(0, what.find('"'));
      const std::size_t passes = line.find(R"("passes":)");
      if (passes != std::string::npos) what += line.substr(passes + 9, 1);
      found.push_back(std::to_string(known - processes.begin()) + " " + what);
    }
    return found;
  }
  static RemoteRepetition take(WorkerPool& pool, const Case& one, Index process, Index passes = 0) {
    static const std::function<void(Activity)> kNobody = [](Activity) {};
    return pool.take({.the_case = one, .process = process, .passes = passes, .on_lap = kNobody});
  }

  const MeasureOptions options_{.repetitions = 9, .processes = 2, .memory_limit_bytes = 1e9};
};

TEST_F(WorkerPoolTest, EachProcessPreparesACaseOnceAndRepeatsIt) {
  WorkerPool workers = pool(kReady, kTaken, options_);
  const RemoteRepetition first = take(workers, kGru, 0);
  EXPECT_EQ(first.status, "");
  EXPECT_EQ(first.passes, 7);
  EXPECT_EQ(first.sample.seconds, 0.5);
  EXPECT_EQ(first.sample.peak_gflops, 9);
  for (const Index process : {1, 0, 1}) take(workers, kGru, process, 7);
  EXPECT_EQ(requests(), (std::vector<std::string>{"0 prepare", "0 repeat", "1 prepare", "1 repeat7",
                                                  "0 repeat7", "1 repeat7"}));
  workers.release_all();
  take(workers, kGru, 0);
  EXPECT_EQ(requests().size(), 10u);  // released twice, prepared, repeated
}

TEST_F(WorkerPoolTest, ARepetitionInASlowPeriodIsTakenAnewAndTheFastestMomentStays) {
  // Peaks 10 until the seventh repetition, then 6, 5, 7 and 10 again.
  WorkerPool workers = pool(kReady,
                            "n=$((${n:-0} + 1)); p=10; [ $n -eq 7 ] && p=6; [ $n -eq 8 ] && p=5; "
                            "[ $n -eq 9 ] && p=7; echo \"{\\\"seconds\\\":$n,\\\"passes\\\":1,"
                            "\\\"peak_gflops\\\":$p}\"",
                            options_);
  for (int n = 1; n <= 6; ++n) {
    const RemoteRepetition taken = take(workers, kGru, 0);
    EXPECT_EQ(taken.sample.seconds, n);
    EXPECT_EQ(taken.sample.retaken, 0);
  }
  const RemoteRepetition slow = take(workers, kGru, 0);
  EXPECT_EQ(slow.sample.seconds, 9);  // twice anew, all of them slow
  EXPECT_EQ(slow.sample.peak_gflops, 7);
  EXPECT_EQ(slow.sample.retaken, 2);
  EXPECT_EQ(take(workers, kGru, 0).sample.retaken, 0);
}

TEST_F(WorkerPoolTest, ANumberThatIsNewTakesThePlaceOfAProcess) {
  WorkerPool workers = pool(kReady, kTaken, options_);
  for (const Index process : {0, 1, 2, 3}) take(workers, kGru, process);
  std::set<std::string> prepared;
  for (const std::string& request : requests()) {
    if (request.ends_with("prepare")) prepared.insert(request);
  }
  EXPECT_EQ(prepared.size(), 4u);
}

TEST_F(WorkerPoolTest, ReleasesTheCaseUsedLeastRecentlyWhereMemoryEnds) {
  MeasureOptions options = options_;
  options.memory_limit_bytes = 1.5 * std::max(kGru.predicted_bytes(), kLstm.predicted_bytes());
  WorkerPool workers = pool(kReady, kTaken, options);
  take(workers, kGru, 0);
  take(workers, kLstm, 1);
  EXPECT_EQ(requests(), (std::vector<std::string>{"0 prepare", "0 repeat", "0 release", "1 prepare",
                                                  "1 repeat"}));
}

TEST_F(WorkerPoolTest, AProcessThatDiesIsAFailedRepetitionAndTheNextOneIsNew) {
  WorkerPool workers = pool(kReady, "kill -9 $$", options_);
  for (int i = 0; i < 2; ++i) {
    const RemoteRepetition taken = take(workers, kGru, 1);
    EXPECT_EQ(taken.status, "failed");
    EXPECT_NE(taken.reason.find("process 1 of the repetitions ended with signal 9"),
              std::string::npos)
        << taken.reason;
    EXPECT_NE(taken.reason.find("--processes 1"), std::string::npos) << taken.reason;
  }
  EXPECT_EQ(requests(),
            (std::vector<std::string>{"0 prepare", "0 repeat", "1 prepare", "1 repeat"}));
}

TEST_F(WorkerPoolTest, AnErrorOrAnAnswerWithoutATimeIsAFailedRepetition) {
  for (const auto& [answer, part] : {std::pair(R"({"error":"out of order"})", "out of order"),
                                     std::pair(R"({"seconds":null})", "answer.seconds"),
                                     std::pair(R"({"seconds":1,"peak_gflops":1})", "passes")}) {
    WorkerPool workers = pool(kReady, std::string("echo '") + answer + "'", options_);
    const RemoteRepetition taken = take(workers, kGru, 0);
    EXPECT_EQ(taken.status, "failed");
    EXPECT_NE(taken.reason.find(part), std::string::npos) << taken.reason;
  }
}

TEST_F(WorkerPoolTest, RefusedMemoryIsAskedForOnceMoreWithoutTheOthersAndThenSkipped) {
  WorkerPool workers =
      pool(R"(case $line in *lstm*) echo '{"status":"skipped","reason":"no memory"}';; *) )" +
               std::string(kReady) + ";; esac",
           kTaken, options_);
  take(workers, kGru, 0);
  const RemoteRepetition taken = take(workers, kLstm, 0);
  EXPECT_EQ(taken.status, "skipped");
  EXPECT_EQ(taken.reason, "no memory");
  EXPECT_EQ(requests(), (std::vector<std::string>{"0 prepare", "0 repeat", "0 prepare", "0 release",
                                                  "0 prepare"}));
}

TEST_F(WorkerPoolTest, AProgramThatCannotBeRunIsAFailedRepetition) {
  WorkerPool workers(grid(), options_, folder_ / "nowhere");
  const RemoteRepetition taken = take(workers, kGru, 0);
  EXPECT_EQ(taken.status, "failed");
  EXPECT_NE(taken.reason.find("cannot be run"), std::string::npos) << taken.reason;
}

TEST_F(WorkerPoolTest, OneProcessOrOneRepetitionNeedsNoOthers) {
  WorkerPool workers = pool(kReady, kTaken, options_);
  EXPECT_TRUE(other_processes(workers, options_).repeat);
  EXPECT_FALSE(other_processes(workers, {.repetitions = 9, .processes = 1}).repeat);
  EXPECT_FALSE(other_processes(workers, {.repetitions = 1, .processes = 6}).repeat);
  EXPECT_TRUE(
      other_processes(workers, {.repetitions = 1, .processes = 6, .precision = 0.02}).repeat);
}

}  // namespace
}  // namespace seqbench
