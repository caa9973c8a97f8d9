#include "core/spin_barrier.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

namespace seqbench {
namespace {

template <typename Body>
void run_workers(int workers, const Body& body) {
  std::vector<std::thread> threads;
  for (int w = 0; w < workers; ++w) threads.emplace_back([&body, w] { body(w); });
  for (std::thread& thread : threads) thread.join();
}

// Plain integers: what one worker writes before the barrier, every other one must see behind it,
// and a race detector must find nothing.
TEST(SpinBarrier, ShowsEverybodyWhatOthersWroteBefore) {
  constexpr int kRounds = 500;
  for (const int workers : {1, 2, 3, 8}) {
    SpinBarrier barrier(workers);
    std::vector<int> written[2];
    for (auto& row : written) row.resize(std::size_t(workers));
    std::vector<int> wrong(static_cast<std::size_t>(workers));
    run_workers(workers, [&](int worker) {
      for (int round = 0; round < kRounds; ++round) {
        std::vector<int>& now = written[round % 2];
        now[std::size_t(worker)] = round;
        barrier.wait();
        wrong[std::size_t(worker)] += int(now.size()) - int(std::ranges::count(now, round));
      }
    });
    EXPECT_EQ(wrong, std::vector<int>(std::size_t(workers))) << workers << " workers";
  }
}

TEST(SpinBarrier, NobodyLeavesBeforeTheLastHasCome) {
  constexpr int kWorkers = 3, kRounds = 200;
  SpinBarrier barrier(kWorkers);
  std::atomic<int> come = 0;
  std::atomic<int> too_early = 0;
  run_workers(kWorkers, [&](int) {
    for (int round = 1; round <= kRounds; ++round) {
      ++come;
      barrier.wait();
      too_early += come < round * kWorkers;
      barrier.wait();
    }
  });
  EXPECT_EQ(too_early, 0);
}

TEST(SpinBarrier, AdvancesWithFarMoreWorkersThanCpus) {
  constexpr int kWorkers = 64, kRounds = 20;
  SpinBarrier barrier(kWorkers);
  std::atomic<int> rounds = 0;
  run_workers(kWorkers, [&](int) {
    for (int round = 0; round < kRounds; ++round) {
      barrier.wait();
      ++rounds;
    }
  });
  EXPECT_EQ(rounds, kWorkers * kRounds);
}

}  // namespace
}  // namespace seqbench
