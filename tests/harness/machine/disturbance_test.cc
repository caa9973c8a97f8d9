#include "harness/machine/disturbance.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <thread>

#include "harness/machine/placement.h"

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
    EXPECT_GE(found.throttled, 0) << threads;
  }
}

TEST(Disturbance, StealIsAShareOfTheTeamsCpus) {
  const ThreadTeam team = make_team(1);
  const DisturbanceClock clock(team);
  compute_for(0.1, team);
  const Disturbance found = clock.since_start();
  EXPECT_GE(found.steal_fraction, 0);
  EXPECT_LE(found.steal_fraction, 1.1);  // counted in ticks, one of which can lie at the edge
}

}  // namespace
}  // namespace seqbench
