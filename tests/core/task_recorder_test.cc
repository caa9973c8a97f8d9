#include "core/task_recorder.h"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "core/spin_barrier.h"
#include "core/thread_team.h"

namespace seqbench {
namespace {

void work_for(double seconds) {
  const auto start = std::chrono::steady_clock::now();
  while (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() < seconds)
    ;
}

std::vector<std::size_t> sizes_of(const TaskGraph& graph) {
  std::vector<std::size_t> sizes;
  for (const Stage& stage : graph.stages) sizes.push_back(stage.seconds.size());
  return sizes;
}

std::vector<StageEnd> ends_of(const TaskGraph& graph) {
  std::vector<StageEnd> ends;
  for (const Stage& stage : graph.stages) ends.push_back(stage.end);
  return ends;
}

TEST(TaskRecorder, CountsTheTasksOfARegionAndWhatIsDoneAlone) {
  TaskRecorder recorder;
  const ThreadTeam team(3, {}, recorder);
  EXPECT_EQ(team.size(), 3);
  EXPECT_EQ(team.concurrency(), 3);
  std::vector<int> workers(7, -1), order;
  recorder.begin_pass();
  team.for_each_task(7, [&](Index task, int worker) {
    workers[std::size_t(task)] = worker;
    order.push_back(int(task));
  });
  team.for_each_task(1, [](Index, int) {});  // nobody is woken for one
  const TaskGraph graph = recorder.end_pass();
  EXPECT_EQ(workers, (std::vector<int>{0, 1, 2, 0, 1, 2, 0}));
  EXPECT_EQ(order, (std::vector<int>{0, 3, 6, 1, 4, 2, 5}));
  EXPECT_EQ(sizes_of(graph), (std::vector<std::size_t>{1, 7, 1}));
  EXPECT_EQ(ends_of(graph),
            (std::vector<StageEnd>{StageEnd::kNone, StageEnd::kRegion, StageEnd::kNone}));
  EXPECT_EQ(graph.tasks(), 7);
  EXPECT_EQ(graph.regions(), 1);
  EXPECT_EQ(graph.barriers(), 0);
  EXPECT_EQ(graph.steps, 0);
}

TEST(TaskRecorder, CutsTheWayOfAWorkerAtItsMeetings) {
  TaskRecorder recorder;
  const ThreadTeam team(3, {}, recorder);
  recorder.begin_pass();
  SpinBarrier barrier(2, team.recorder());
  std::vector<int> order;
  team.note_handover(16);
  team.on_every_worker([&](int worker) {
    if (worker == 2) return;  // has no share
    for (int step = 0; step < 4; ++step) {
      order.push_back(worker);
      barrier.wait();
    }
  });
  const TaskGraph graph = recorder.end_pass();
  EXPECT_EQ(order, (std::vector<int>{0, 0, 0, 0, 1, 1, 1, 1}));  // each worker as a whole
  EXPECT_EQ(sizes_of(graph), (std::vector<std::size_t>{1, 2, 2, 2, 2, 0, 1}));
  EXPECT_EQ(graph.barriers(), 4);
  EXPECT_EQ(graph.regions(), 1);
  EXPECT_EQ(graph.steps, 4);
  EXPECT_EQ(graph.handed_over_bytes(), 4 * 16);
  EXPECT_EQ(graph.tasks(), 8);
}

TEST(TaskRecorder, CountsStepsOfTasksThatRunThemWithoutEachOther) {
  TaskRecorder recorder;
  const ThreadTeam team(2, {}, recorder);
  const auto run_steps = [&](Index tasks) {
    SpinBarrier barrier(1, team.recorder());
    team.for_each_task(tasks, [&](Index, int) {
      for (int step = 0; step < 5; ++step) barrier.wait();
    });
  };
  recorder.begin_pass();
  run_steps(3);
  run_steps(1);
  team.note_steps(7);
  const TaskGraph graph = recorder.end_pass();
  EXPECT_EQ(graph.steps, 5 + 5 + 7);
  EXPECT_EQ(graph.barriers(), 0);
  EXPECT_EQ(graph.tasks(), 3);
}

TEST(TaskRecorder, TimesEveryTaskByItself) {
  TaskRecorder recorder;
  const ThreadTeam team(2, {}, recorder);
  const auto start = std::chrono::steady_clock::now();
  recorder.begin_pass();
  work_for(0.003);
  team.for_each_task(3, [&](Index task, int) { work_for(0.001 * double(task + 1)); });
  SpinBarrier barrier(2, team.recorder());
  team.on_every_worker([&](int worker) {
    work_for(0.002 * double(worker + 1));
    barrier.wait();
  });
  const TaskGraph graph = recorder.end_pass();
  const double elapsed =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  // Never shorter than what was done, since what disturbs a machine only adds, and all of it
  // together no longer than it took.
  const std::vector<std::vector<double>> least = {
      {0.003}, {0.001, 0.002, 0.003}, {0}, {0.002, 0.004}, {}, {0}};
  ASSERT_EQ(graph.stages.size(), least.size());
  double recorded = 0;
  for (std::size_t i = 0; i < least.size(); ++i) {
    ASSERT_EQ(graph.stages[i].seconds.size(), least[i].size());
    for (std::size_t k = 0; k < least[i].size(); ++k) {
      EXPECT_GE(graph.stages[i].seconds[k], least[i][k]);
      recorded += graph.stages[i].seconds[k];
    }
  }
  EXPECT_LE(recorded, elapsed);
}

TEST(TaskRecorder, TakesTheClocksOwnTimeOff) {
  TaskRecorder recorder(1000);
  const ThreadTeam team(2, {}, recorder);
  recorder.begin_pass();
  team.for_each_task(2, [](Index, int) { work_for(0.0001); });
  const TaskGraph graph = recorder.end_pass();
  for (const Stage& stage : graph.stages) {
    for (const double seconds : stage.seconds) EXPECT_EQ(seconds, 0);
  }
}

TEST(TaskRecorder, BeginsEachPassAnew) {
  TaskRecorder recorder;
  const ThreadTeam team(2, {}, recorder);
  for (int pass = 0; pass < 2; ++pass) {
    recorder.begin_pass();
    team.note_steps(1);
    team.for_each_task(2, [](Index, int) {});
    const TaskGraph graph = recorder.end_pass();
    EXPECT_EQ(graph.steps, 1);
    EXPECT_EQ(graph.tasks(), 2);
  }
}

}  // namespace
}  // namespace seqbench
