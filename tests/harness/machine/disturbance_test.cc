#include "harness/machine/disturbance.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <sstream>
#include <thread>

#include "harness/machine/placement.h"
#include "tests/harness/temporary_folder.h"

namespace seqbench {
namespace {

/// A thread that keeps one CPU busy as long as it exists.
class BusyLoop {
 public:
  explicit BusyLoop(int cpu)
      : thread_([this, cpu] {
          cpu_set_t set;
          CPU_ZERO(&set);
          CPU_SET(static_cast<std::size_t>(cpu), &set);
          pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
          is_there_ = true;
          while (!stop_) {
          }
        }) {
    while (!is_there_) std::this_thread::yield();
  }
  ~BusyLoop() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> is_there_ = false, stop_ = false;
  std::thread thread_;
};

void compute_for(double seconds, const ThreadTeam& team) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  team.on_every_worker([end](int) {
    while (std::chrono::steady_clock::now() < end) {
    }
  });
}

TEST(Disturbance, FindsAnotherThreadOnACpuOfTheTeam) {
  for (const int threads : {1, running_workers(2)}) {
    const ThreadTeam team = make_team(threads);
    compute_for(0.001, team);  // pins the workers
    // The last worker's CPU: the others lose nothing.
    const BusyLoop other(usable_cpus()[static_cast<std::size_t>(threads) - 1]);
    const DisturbanceClock clock(team);
    compute_for(0.3, team);
    const Disturbance found = clock.since_start();
    if (std::isnan(found.wait_fraction)) GTEST_SKIP() << "the kernel does not tell";
    // The scheduler is fair: half each, over many turns.
    EXPECT_GT(found.wait_fraction, 0.25) << threads;
    EXPECT_LE(found.wait_fraction, 1) << threads;
    EXPECT_GE(found.involuntary_switches, 1) << threads;
    EXPECT_GE(found.throttled.value_or(0), 0) << threads;
  }
}

TEST(Disturbance, TellsHowManyThreadsAreNotPinned) {
  constexpr int kNoSuchCpu = 1 << 19;
  const int cpu = usable_cpus().front();
  // In a thread of its own, since pinning outlives the team.
  std::thread([&] {
    for (const auto& [cpus, unpinned] :
         {std::pair(std::vector{cpu}, 0), std::pair(std::vector{cpu, kNoSuchCpu}, 1),
          std::pair(std::vector{kNoSuchCpu}, 2), std::pair(std::vector<int>(), 0)}) {
      const ThreadTeam team(2, cpus);
      EXPECT_EQ(DisturbanceClock(team).since_start().unpinned_threads, unpinned);
    }
  }).join();
}

TEST(Disturbance, SeesAThreadThatIsMovedMeanwhile) {
  if (usable_cpus().size() == 1) GTEST_SKIP() << "there is one CPU";
  std::thread([] {
    cpu_set_t both;
    CPU_ZERO(&both);
    for (const std::size_t i : {0, 1}) {
      CPU_SET(static_cast<std::size_t>(usable_cpus()[i]), &both);
    }
    const ThreadTeam team = make_team(1);
    const DisturbanceClock clock(team);
    EXPECT_EQ(clock.since_start().unpinned_threads, 0);
    ASSERT_EQ(::sched_setaffinity(0, sizeof(both), &both), 0);
    EXPECT_EQ(clock.since_start().unpinned_threads, 1);
  }).join();
}

TEST(Disturbance, OfATeamWithoutCpusHasNoSteal) {
  const ThreadTeam team(1);
  EXPECT_TRUE(std::isnan(DisturbanceClock(team).since_start().steal_fraction));
}

using StolenSeconds = FolderTest;

TEST_F(StolenSeconds, AreThoseOfTheCpusAsked) {
  const double second = double(::sysconf(_SC_CLK_TCK));  // in ticks
  std::ostringstream text;
  text << "cpu 1 2 3 4 5 6 7 99999 0 0\ncpu1 1 2 3 4 5 6 7 " << 2 * second
       << " 0 0\ncpu10 1 2 3 4 5 6 7 " << 3 * second << "\nintr 1 2 3 4 5 6 7 8 9";
  write("stat", text.str());
  EXPECT_DOUBLE_EQ(stolen_seconds({1}, folder_ / "stat"), 2);
  EXPECT_DOUBLE_EQ(stolen_seconds({10, 1}, folder_ / "stat"), 5);
}

TEST_F(StolenSeconds, AreNotKnownUnlessTheyAreToldOfEachCpu) {
  const std::string known = "cpu0 1 2 3 4 5 6 7 8\n";
  for (const std::string rest :
       {"", "cpu1 1 2 3 4", "cpufreq 1 2 3 4 5 6 7 8", "cpu", "cpu1", "cpu1 a b c d e f g h",
        "cpu99999999999999999999 1 2 3 4 5 6 7 8"}) {
    write("stat", known + rest);
    EXPECT_TRUE(std::isnan(stolen_seconds({0, 1}, folder_ / "stat"))) << rest;
    EXPECT_GE(stolen_seconds({0}, folder_ / "stat"), 0) << rest;
  }
  EXPECT_TRUE(std::isnan(stolen_seconds({0}, folder_ / "nowhere")));
  EXPECT_TRUE(std::isnan(stolen_seconds({}, folder_ / "stat")));
}

using WaitingSeconds = FolderTest;

TEST_F(WaitingSeconds, AreTheSecondNumber) {
  write("schedstat", "5000000000 2000000000 7");
  EXPECT_DOUBLE_EQ(waiting_seconds(folder_ / "schedstat"), 2);
  write("schedstat", "0 2000000000 1");  // has just begun to run
  EXPECT_DOUBLE_EQ(waiting_seconds(folder_ / "schedstat"), 2);
}

TEST_F(WaitingSeconds, AreNotKnownWhereTheKernelDoesNotCountThem) {
  EXPECT_TRUE(std::isnan(waiting_seconds(folder_ / "schedstat")));
  for (const char* text : {"", "0 0 0", "5", "none of them"}) {
    write("schedstat", text);
    EXPECT_TRUE(std::isnan(waiting_seconds(folder_ / "schedstat"))) << text;
  }
}

TEST(Disturbance, StealIsAShareOfTheTeamsCpus) {
  const ThreadTeam team = make_team(1);
  const DisturbanceClock clock(team);
  compute_for(0.1, team);
  const Disturbance found = clock.since_start();
  if (std::isnan(found.steal_fraction)) GTEST_SKIP() << "the kernel does not tell";
  EXPECT_GE(found.steal_fraction, 0);
  EXPECT_LE(found.steal_fraction, 1.1);  // counted in ticks, one of which can lie at the edge
}

}  // namespace
}  // namespace seqbench
