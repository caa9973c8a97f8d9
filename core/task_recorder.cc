#include "core/task_recorder.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace seqbench {

Index TaskGraph::tasks() const {
  Index tasks = 0;
  for (const Stage& stage : stages) {
    if (stage.end != StageEnd::kNone) tasks += static_cast<Index>(stage.seconds.size());
  }
  return tasks;
}

Index TaskGraph::count(StageEnd end) const { return std::ranges::count(stages, end, &Stage::end); }

double TaskGraph::handed_over_bytes() const {
  double bytes = 0;
  for (const Stage& stage : stages) bytes += stage.handed_over_bytes;
  return bytes;
}

double TaskRecorder::lap() const {
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  return std::max(0.0, seconds - reading_seconds_);
}

void TaskRecorder::begin_pass() {
  graph_ = {};
  start_ = Clock::now();
}

TaskGraph TaskRecorder::end_pass() {
  end_serial_stage();
  return std::exchange(graph_, {});
}

void TaskRecorder::end_serial_stage() {
  const double seconds = lap();
  graph_.stages.push_back({.seconds = {seconds}, .end = StageEnd::kNone});
}

void TaskRecorder::begin_tasks(Index count) {
  end_serial_stage();
  region_ = Region::kTasks;
  meetings_ = most_meetings_ = 0;
  graph_.stages.push_back(
      {.seconds = std::vector<double>(static_cast<std::size_t>(count)), .end = StageEnd::kRegion});
  start_ = Clock::now();
}

void TaskRecorder::end_task(Index task) {
  assert(region_ == Region::kTasks);
  graph_.stages.back().seconds[static_cast<std::size_t>(task)] = lap();
  most_meetings_ = std::max(most_meetings_, std::exchange(meetings_, 0));
  start_ = Clock::now();
}

void TaskRecorder::begin_workers() {
  end_serial_stage();
  region_ = Region::kWorkers;
  meetings_ = most_meetings_ = 0;
  first_stage_ = graph_.stages.size();
  graph_.stages.push_back({.seconds = {}, .end = StageEnd::kRegion});
  start_ = Clock::now();
}

void TaskRecorder::meet() {
  if (region_ == Region::kNone) ++graph_.steps;
  ++meetings_;
  if (region_ != Region::kWorkers) return;
  const double seconds = lap();
  const std::size_t stage = first_stage_ + static_cast<std::size_t>(meetings_) - 1;
  if (stage + 1 == graph_.stages.size()) {  // the first worker; behind it all that follows
    graph_.stages.push_back({.seconds = {}, .end = StageEnd::kRegion});
    graph_.stages[stage].end = StageEnd::kBarrier;
    graph_.stages[stage].handed_over_bytes = handover_bytes_;
  }
  graph_.stages[stage].seconds.push_back(seconds);
  start_ = Clock::now();
}

void TaskRecorder::end_worker() {
  const double seconds = lap();
  most_meetings_ = std::max(most_meetings_, meetings_);
  // One that never came to the others' meetings has no share of the work; what is left behind the
  // last meeting belongs to the way to it.
  if (meetings_ > 0) {
    graph_.stages[first_stage_ + static_cast<std::size_t>(meetings_) - 1].seconds.back() += seconds;
  } else if (most_meetings_ == 0) {
    graph_.stages.back().seconds.push_back(seconds);
  }
  meetings_ = 0;
  start_ = Clock::now();
}

void TaskRecorder::end_region() {
  region_ = Region::kNone;
  handover_bytes_ = 0;
  graph_.steps += most_meetings_;
  start_ = Clock::now();
}

}  // namespace seqbench
