#include "core/thread_team.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <cfenv>
#include <stdexcept>
#include <thread>
#include <vector>

namespace seqbench {
namespace {

TEST(ThreadTeam, CallsEveryTaskOnceOnAWorkerOfItsOwn) {
  for (const int size : {1, 2, 3, 4, 7}) {
    const ThreadTeam team(size);
    for (const Index count : {0, 1, 2, 5, 1000}) {
      std::vector<std::atomic<int>> calls(static_cast<std::size_t>(count));
      std::atomic<bool> worker_in_range = true;
      team.for_each_task(count, [&](Index task, int worker) {
        ++calls[static_cast<std::size_t>(task)];
        if (worker < 0 || worker >= size) worker_in_range = false;
      });
      for (const auto& n : calls) EXPECT_EQ(n, 1);
      EXPECT_TRUE(worker_in_range);
    }
  }
}

TEST(ThreadTeam, RunsOnEveryWorkerAtTheSameTime) {
  for (const int size : {1, 2, 4}) {
    std::vector<int> calls(static_cast<std::size_t>(size));
    std::atomic<int> arrived = 0;
    ThreadTeam(size).on_every_worker([&](int worker) {
      ++calls[static_cast<std::size_t>(worker)];
      ++arrived;
      while (arrived < size) std::this_thread::yield();  // hangs unless all are here
    });
    for (const int n : calls) EXPECT_EQ(n, 1);
  }
}

// A new thread starts with the floating-point environment of the thread that makes it.
TEST(ThreadTeam, FlushesSubnormalsOnEveryWorker) {
  std::thread([] {
    std::fesetenv(FE_DFL_ENV);
    EXPECT_FALSE(flushes_subnormals());
    for (const int size : {1, 3}) {
      std::atomic<int> flushing = 0;
      ThreadTeam(size).on_every_worker([&](int) { flushing += flushes_subnormals(); });
      EXPECT_EQ(flushing, size);
    }
  }).join();
  std::thread([] {
    std::fesetenv(FE_DFL_ENV);
    std::atomic<int> flushing = 0;
    ThreadTeam(2).for_each_task(8, [&](Index, int) { flushing += flushes_subnormals(); });
    EXPECT_EQ(flushing, 8);
  }).join();
}

TEST(ThreadTeam, PinsWorkersToTheirCpus) {
  // In a thread of its own, since pinning outlives the team.
  std::thread([] {
    const int cpu = sched_getcpu();
    std::atomic<int> elsewhere = 0;
    ThreadTeam(2, {cpu}).on_every_worker([&](int) {
      cpu_set_t set;
      sched_getaffinity(0, sizeof(set), &set);
      elsewhere += CPU_COUNT(&set) != 1 || !CPU_ISSET(cpu, &set);
    });
    EXPECT_EQ(elsewhere, 0);
  }).join();
}

TEST(ThreadTeam, NestedTasksStayOnTheirWorker) {
  const ThreadTeam team(2);
  std::atomic<int> inner_calls = 0;
  std::atomic<bool> same_thread = true;
  team.for_each_task(4, [&](Index, int) {
    const auto outer = std::this_thread::get_id();
    team.for_each_task(5, [&](Index, int worker) {
      ++inner_calls;
      if (worker != 0 || std::this_thread::get_id() != outer) same_thread = false;
    });
  });
  EXPECT_EQ(inner_calls, 20);
  EXPECT_TRUE(same_thread);
}

TEST(ThreadTeam, NestedTeamsLeaveTheirThreadWhereItIs) {
  cpu_set_t allowed;
  sched_getaffinity(0, sizeof(allowed), &allowed);
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE && cpus.size() < 2; ++cpu) {
    if (CPU_ISSET(cpu, &allowed)) cpus.push_back(cpu);
  }
  if (cpus.size() < 2) GTEST_SKIP() << "needs two CPUs";
  std::thread([&] {
    const ThreadTeam team(2, cpus);
    std::vector<int> moved(2);
    team.on_every_worker([&](int worker) {
      const auto is_on_its_cpu = [&] {
        cpu_set_t set;
        sched_getaffinity(0, sizeof(set), &set);
        return CPU_COUNT(&set) == 1 && CPU_ISSET(cpus[static_cast<std::size_t>(worker)], &set);
      };
      const ThreadTeam one(1, cpus);
      for (const ThreadTeam* nested : {&team, &one}) {
        nested->for_each_task(
            3, [&](Index, int) { moved[static_cast<std::size_t>(worker)] += !is_on_its_cpu(); });
      }
      one.on_every_worker(
          [&](int) { moved[static_cast<std::size_t>(worker)] += !is_on_its_cpu(); });
    });
    EXPECT_EQ(moved, std::vector<int>(2));
  }).join();
}

TEST(ThreadTeam, RefusesASizeThatOpenMpDoesNotGrant) {
  const int levels = omp_get_max_active_levels();
  omp_set_max_active_levels(0);  // every region has one thread
  EXPECT_NO_THROW(ThreadTeam(1));
  try {
    const ThreadTeam team(3);
    ADD_FAILURE() << "a team of 3 was made";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(),
                 "a team of 3 threads: OpenMP grants 1 (see OMP_THREAD_LIMIT, OMP_DYNAMIC, "
                 "OMP_MAX_ACTIVE_LEVELS)");
  }
  omp_set_max_active_levels(levels);
}

TEST(ThreadTeam, CountsTheWorkersThatRunAtTheSameTime) {
  std::thread([] {
    const int cpu = sched_getcpu();
    EXPECT_EQ(ThreadTeam(1).concurrency(), 1);
    EXPECT_EQ(ThreadTeam(3, {cpu}).concurrency(), 1);
    EXPECT_EQ(ThreadTeam(3, {cpu, cpu}).concurrency(), 2);
    EXPECT_EQ(ThreadTeam(2, {cpu, cpu, cpu}).concurrency(), 2);
    const ThreadTeam team(2, {cpu, cpu});
    std::atomic<int> inside = 0;
    team.on_every_worker([&](int) { inside += team.concurrency(); });
    EXPECT_EQ(inside, 2);  // 1 on each
  }).join();
}

TEST(ThreadTeam, RefusesToBeEmpty) {
  EXPECT_THROW(ThreadTeam(0), std::invalid_argument);
  EXPECT_THROW(ThreadTeam(-1), std::invalid_argument);
}

}  // namespace
}  // namespace seqbench
