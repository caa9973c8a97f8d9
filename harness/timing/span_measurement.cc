#include "harness/timing/span_measurement.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <random>

#include "harness/base/interrupt.h"
#include "harness/base/statistics.h"
#include "harness/machine/placement.h"
#include "harness/machine/probe.h"
#include "harness/timing/preparation.h"

namespace seqbench {
namespace {

using Clock = std::chrono::steady_clock;

/// Of the recorded passes that were shared out for one number of processors.
struct Recorded {
  std::vector<double> work, span, low, predicted, high, peaks;
  TaskGraph last;

  void add(TaskGraph graph, int processors, const Burden& burden) {
    work.push_back(work_seconds(graph));
    span.push_back(span_seconds(graph));
    const ProjectedTime time = projected_time(graph, processors, burden);
    low.push_back(time.low);
    predicted.push_back(time.predicted);
    high.push_back(time.high);
    last = std::move(graph);
  }
  ProjectedTime projected() const {
    return {.low = median(low), .predicted = median(predicted), .high = median(high)};
  }
};

/// One repetition of a case: passes enough to fill the least seconds.
class Repetitions {
 public:
  Repetitions(Workload& workload, double first_pass_seconds, double min_seconds)
      : workload_(workload),
        passes_(std::max(1.0, std::ceil(min_seconds / first_pass_seconds))),
        warms_up_(passes_ > 1) {}

  Sample measure(int threads) {
    const ThreadTeam team = make_team(threads);
    if (warms_up_) workload_.run(team);
    const RepetitionBracket bracket(team);
    const Clock::time_point start = Clock::now();
    for (double pass = 0; pass < passes_; ++pass) workload_.run(team);
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    return bracket.close(seconds / passes_);
  }

  void record(int processors, const Burden& burden, Recorded& recorded) {
    TaskRecorder recorder(reading_seconds_);
    const ThreadTeam alone = make_team(1), team(processors, usable_cpus(), recorder);
    if (warms_up_) workload_.run(team);
    const RepetitionBracket bracket(alone);
    for (double pass = 0; pass < passes_; ++pass) {
      recorder.begin_pass();
      workload_.run(team);
      recorded.add(recorder.end_pass(), processors, burden);
    }
    recorded.peaks.push_back(bracket.close(0).peak_gflops);
  }

 private:
  Workload& workload_;
  double passes_;
  bool warms_up_;
  double reading_seconds_ = probe_timer().call_seconds;
};

}  // namespace

SpanMeasurement measure_span(Case one, const SpanOptions& options, const MeetingCosts& costs,
                             const std::function<void(const std::string&)>& on_step) {
  SpanMeasurement result;
  one.threads = static_cast<int>(std::ranges::max(options.threads));
  on_step("check");
  const Preparation prepared =
      prepare(one, {.seed = options.seed,
                    .memory_limit_bytes = options.memory_limit_bytes,
                    .workers = static_cast<int>(std::ranges::max(options.processors))});
  if (prepared.workload == nullptr) {
    result.status = prepared.status;
    result.reason = prepared.reason;
    return result;
  }

  std::map<int, Recorded> recorded;
  std::map<int, std::vector<Sample>> measured;
  // Numbers of processors that nothing is measured on are recorded in every third round: they have
  // no repetition beside them whose period of the machine they should share.
  std::vector<std::function<void()>> every_round, third_rounds;
  Repetitions repetitions(*prepared.workload, prepared.first_pass_seconds, options.min_seconds);
  for (const Index count : options.processors) {
    const int processors = static_cast<int>(count);
    const bool is_measured = std::ranges::count(options.threads, count) > 0;
    (is_measured ? every_round : third_rounds).emplace_back([&, processors] {
      on_step("tasks for " + std::to_string(processors));
      repetitions.record(processors, costs.at(processors), recorded[processors]);
    });
  }
  for (const Index count : options.threads) {
    const int threads = static_cast<int>(count);
    every_round.emplace_back([&, threads] {
      on_step("on " + std::to_string(threads));
      measured[threads].push_back(repetitions.measure(threads));
    });
  }
  std::mt19937_64 order(options.seed);
  for (int round = 0; round < options.repetitions; ++round) {
    std::vector<std::function<void()>> turns = every_round;
    if (round % 3 == 0) turns.insert(turns.end(), third_rounds.begin(), third_rounds.end());
    std::ranges::shuffle(turns, order);
    for (const auto& take : turns) {
      stop_if_interrupted();
      take();
    }
  }

  for (const auto& [processors, of_passes] : recorded) {
    SpanPoint point{.processors = processors,
                    .projected = of_passes.projected(),
                    .peak_gflops = median(of_passes.peaks),
                    .measured = {}};
    if (measured.contains(processors)) point.measured = measured.at(processors);
    result.points.push_back(point);
  }
  const auto& [most, finest] = *recorded.rbegin();
  result.work_seconds = median(recorded.begin()->second.work);
  result.span_seconds = median(finest.span);
  result.burdened_span_seconds =
      result.span_seconds + (most > 1 ? burden_seconds(finest.last, costs.at(most)) : 0);
  result.tasks = finest.last.tasks();
  result.barriers = finest.last.barriers();
  result.regions = finest.last.regions();
  result.steps = finest.last.steps;
  result.handed_over_bytes = finest.last.handed_over_bytes();
  return result;
}

}  // namespace seqbench
