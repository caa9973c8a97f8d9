// What one pass of a layer consists of: its tasks, and what waits for what.
//
// A pass is a sequence of stages. The tasks of a stage need none of each other, and all of them end
// before the next stage begins. A stage is what the calling thread does alone, the tasks of a
// parallel region, or what the workers do between two meetings at a barrier.
//
// A recorded team (core/thread_team.h) runs a pass on one thread, shared out as for any number of
// workers, and tells the recorder of every task. A worker's way from barrier to barrier is run as a
// whole before that of the next worker: each then finds its own part of the weights in the cache,
// as it does on a core of its own. What it reads of the others is of an earlier pass, so that times
// and counts of such a pass are right and its results are not.
#pragma once

#include <chrono>
#include <vector>

#include "core/tensor.h"

namespace seqbench {

/// What ends a stage.
enum class StageEnd {
  kNone,     // one thread goes on
  kBarrier,  // all workers meet at a SpinBarrier
  kRegion,   // a parallel region ends, which was entered at its first stage
};

struct Stage {
  std::vector<double> seconds;  // of each task, in the order in which they are handed out; of a
                                // region that ends behind a last barrier none
  StageEnd end = StageEnd::kNone;
  double handed_over_bytes = 0;  // at the barrier: what all wrote before, for all to read
};

/// The stages of one pass, in order, and its time steps: how many of a loop over time come one
/// after the other.
struct TaskGraph {
  std::vector<Stage> stages;
  Index steps = 0;

  /// Of parallel regions, shares of a step included.
  Index tasks() const;
  /// Meetings at a SpinBarrier.
  Index barriers() const { return count(StageEnd::kBarrier); }
  /// Parallel regions that were entered.
  Index regions() const { return count(StageEnd::kRegion); }
  /// At all barriers.
  double handed_over_bytes() const;

 private:
  Index count(StageEnd end) const;
};

class TaskRecorder {
 public:
  /// `reading_seconds` of the clock are taken off every task.
  explicit TaskRecorder(double reading_seconds = 0) : reading_seconds_(reading_seconds) {}

  void begin_pass();
  /// What was recorded since begin_pass().
  TaskGraph end_pass();

  // For ThreadTeam and SpinBarrier, which call them in this order.

  /// The calling thread enters a region of `count` tasks; each ends in any order.
  void begin_tasks(Index count);
  void end_task(Index task);
  /// The calling thread enters a region of workers that meet; each ends after all its meetings.
  void begin_workers();
  void end_worker();
  /// A worker or task is at a barrier, where it waits for nobody.
  void meet();
  void end_region();

  /// Steps of a loop over time that the calling thread makes.
  void note_steps(Index steps) { graph_.steps += steps; }
  /// What the workers of the next region hand over to each other at each meeting.
  void note_handover(double bytes) { handover_bytes_ = bytes; }

 private:
  using Clock = std::chrono::steady_clock;

  /// Seconds since the task under way began.
  double lap() const;
  void end_serial_stage();

  double reading_seconds_;
  TaskGraph graph_;
  enum class Region { kNone, kTasks, kWorkers } region_ = Region::kNone;  // under way
  double handover_bytes_ = 0;
  std::size_t first_stage_ = 0;  // of it
  Index meetings_ = 0;           // of the worker or task under way
  Index most_meetings_ = 0;      // of one of the region
  Clock::time_point start_;      // of the task under way
};

}  // namespace seqbench
