#include "harness/timing/work_span.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <vector>

namespace seqbench {
namespace {

double sum_of(const Stage& stage) {
  return std::accumulate(stage.seconds.begin(), stage.seconds.end(), 0.0);
}

double longest_of(const Stage& stage) {
  return stage.seconds.empty() ? 0 : std::ranges::max(stage.seconds);
}

/// When the last task ends, each begun by whoever is free first.
double handed_out(const Stage& stage, int processors) {
  if (stage.seconds.size() <= static_cast<std::size_t>(processors)) return longest_of(stage);
  std::vector<double> free_at(static_cast<std::size_t>(processors));  // a heap, earliest in front
  for (const double seconds : stage.seconds) {
    std::ranges::pop_heap(free_at, std::greater<>());
    free_at.back() += seconds;
    std::ranges::push_heap(free_at, std::greater<>());
  }
  return std::ranges::max(free_at);
}

}  // namespace

double work_seconds(const TaskGraph& graph) {
  double work = 0;
  for (const Stage& stage : graph.stages) work += sum_of(stage);
  return work;
}

double span_seconds(const TaskGraph& graph) {
  double span = 0;
  for (const Stage& stage : graph.stages) span += longest_of(stage);
  return span;
}

double burden_seconds(const TaskGraph& graph, const Burden& burden) {
  return double(graph.barriers()) * burden.barrier_seconds +
         double(graph.regions()) * burden.region_seconds +
         graph.handed_over_bytes() * burden.handover_seconds_per_byte;
}

ProjectedTime projected_time(const TaskGraph& graph, int processors, const Burden& burden) {
  ProjectedTime time;
  for (const Stage& stage : graph.stages) {
    const double work = sum_of(stage), longest = longest_of(stage);
    time.low += std::max(work / processors, longest);
    time.predicted += handed_out(stage, processors);
    time.high += (work - longest) / processors + longest;
  }
  if (processors > 1) {
    time.predicted += burden_seconds(graph, burden);
    time.high += burden_seconds(graph, burden);
  }
  return time;
}

}  // namespace seqbench
