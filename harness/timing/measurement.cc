#include "harness/timing/measurement.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

#include "harness/base/errors.h"
#include "harness/base/interrupt.h"
#include "harness/base/recently_used.h"
#include "harness/base/stopwatch.h"
#include "harness/machine/placement.h"
#include "harness/timing/case.h"
#include "harness/timing/preparation.h"
#include "harness/timing/reference.h"
#include "harness/timing/time_estimate.h"

namespace seqbench {
namespace {

/// The workloads of a group, as many at a time as fit the memory limit; the one used least recently
/// makes room.
class WorkloadPool {
 public:
  explicit WorkloadPool(const MeasureOptions& options) : options_(options) {}

  /// `one`'s workload, allocated and run once before if it was not there. Throws std::bad_alloc
  /// when there is no memory for it even without the others.
  Workload& get(const Case& one, const ThreadTeam& team) {
    const auto held =
        entries_.use([&](const auto& entry) { return entry->the_case().id() == one.id(); });
    if (held != nullptr) return **held;
    make_room_for(one.predicted_bytes());
    try {
      return add(one, team);
    } catch (const std::bad_alloc&) {
      entries_.clear();  // memory can be refused below the limit, where it is in pieces
      return add(one, team);
    }
  }

  /// Adds a workload whose result has just been checked.
  void adopt(std::unique_ptr<Workload> workload) { entries_.add(std::move(workload)); }

  /// Drops workloads until `bytes` more fit.
  void make_room_for(double bytes) {
    entries_.make_room(
        bytes, options_.memory_limit_bytes,
        [](const auto& entry) { return entry->the_case().predicted_bytes(); },
        [](std::unique_ptr<Workload> entry) { entry.reset(); });
  }

 private:
  Workload& add(const Case& one, const ThreadTeam& team) {
    Workload& workload = *entries_.add(std::make_unique<Workload>(one, options_.seed));
    workload.run(team);
    return workload;
  }

  const MeasureOptions& options_;
  RecentlyUsed<std::unique_ptr<Workload>> entries_;
};

/// The references of a model, whose cases follow each other in a group: one serves all thread
/// counts and most kernels.
class ReferencePool {
 public:
  const Reference& get(Workload& workload) {
    const Case& one = workload.the_case();
    if (one.layer.model != model_) entries_.clear();
    model_ = one.layer.model;
    std::unique_ptr<Reference>& entry =
        entries_[{one.layer.heads, Reference::kernel_for(one), one.start, one.layer.factors}];
    if (entry == nullptr) entry = std::make_unique<Reference>(workload);
    return *entry;
  }

 private:
  std::string model_;
  std::map<std::tuple<Index, std::string, std::string, Factors>, std::unique_ptr<Reference>>
      entries_;
};

/// Allocates, runs and checks one case; fills in status and reason when it may not be timed.
/// Returns the passes of a repetition as that run tells.
Index check_case(Measurement& measurement, const MeasureOptions& options, const MeasureHooks& hooks,
                 WorkloadPool& workloads, ReferencePool& references) {
  const auto check = [&](Workload& workload) {
    return hooks.check ? hooks.check(workload) : references.get(workload).difference(workload);
  };
  const PrepareOptions how = {.seed = options.seed,
                              .memory_limit_bytes = options.memory_limit_bytes,
                              .make_room = [&](double bytes) { workloads.make_room_for(bytes); },
                              .on_lap = hooks.on_lap,
                              .check = check};
  Preparation prepared = hooks.others.prepare ? hooks.others.prepare(measurement.the_case, how)
                                              : prepare(measurement.the_case, how);
  measurement.peak_bytes = prepared.peak_bytes;
  measurement.predicted_bytes = prepared.predicted_bytes;
  measurement.status = prepared.status;
  measurement.reason = prepared.reason;
  if (prepared.workload != nullptr) {
    measurement.sweeps = prepared.workload->sweep_counts();
    // What other processes repeat is not held here.
    if (!hooks.others.repeat) workloads.adopt(std::move(prepared.workload));
  }
  return prepared.passes_of_repetition(options.min_seconds);
}

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

/// All of a sample but its seconds, through Google Benchmark to the reporter. A count that is not
/// known is not a number there.
void to_counters(const Sample& sample, benchmark::UserCounters& counters) {
  counters["peak_gflops"] = sample.peak_gflops;
  counters["steal_fraction"] = sample.disturbance.steal_fraction;
  counters["wait_fraction"] = sample.disturbance.wait_fraction;
  const auto number = [](const std::optional<Index>& count) {
    return count ? double(*count) : kUnknown;
  };
  counters["involuntary_switches"] = number(sample.disturbance.involuntary_switches);
  counters["throttled"] = number(sample.disturbance.throttled);
  counters["unpinned_threads"] = double(sample.disturbance.unpinned_threads);
  counters["retaken"] = double(sample.retaken);
  counters["comm_seconds"] = sample.comm_seconds;
  counters["bytes_sent"] = sample.bytes_sent;
}

Sample from_counters(const benchmark::UserCounters& counters) {
  const auto value = [&counters](const char* name) { return counters.at(name).value; };
  const auto count = [&value](const char* name) {
    return std::isnan(value(name)) ? std::nullopt : std::optional(Index(value(name)));
  };
  return {.peak_gflops = value("peak_gflops"),
          .disturbance = {.steal_fraction = value("steal_fraction"),
                          .wait_fraction = value("wait_fraction"),
                          .involuntary_switches = count("involuntary_switches"),
                          .throttled = count("throttled"),
                          .unpinned_threads = Index(value("unpinned_threads"))},
          .retaken = Index(value("retaken")),
          .comm_seconds = value("comm_seconds"),
          .bytes_sent = value("bytes_sent")};
}

/// A case that is timed.
struct TimedCase {
  Measurement& measurement;
  benchmark::IterationCount iterations = 0;  // of a repetition; 0 until the first has found it
  Index passes = 0;                          // the same of other processes
  bool is_refused = false;                   // there was no memory for it
};

/// One repetition, called by Google Benchmark.
void take_repetition(benchmark::State& state, TimedCase& timed, WorkloadPool& workloads,
                     const MeasureHooks& hooks) {
  // Out through Google Benchmark, which runs this on the calling thread: skipping the rest instead
  // would fail its own check that all repetitions have the same number of iterations.
  stop_if_interrupted();
  const Case& one = timed.measurement.the_case;
  const ThreadTeam team = make_team(one.threads);
  hooks.on_lap(Activity::kElse);
  Workload* workload = nullptr;
  try {
    workload = &workloads.get(one, team);
  } catch (const std::bad_alloc&) {
    timed.is_refused = true;
    state.SkipWithError("out of memory");
    return;
  }
  hooks.on_lap(Activity::kSetUp);

  const RepetitionBracket bracket(team, one.layer.factors);
  hooks.on_lap(Activity::kProbes);
  for (auto _ : state) workload->run(team);
  hooks.on_lap(Activity::kPasses);
  // The seconds are Google Benchmark's own, which SampleReporter takes.
  to_counters(bracket.close(0), state.counters);
  hooks.on_lap(Activity::kProbes);
}

/// The same in another process. Google Benchmark draws the order alone: to it, this is one
/// iteration of the seconds that it is told.
void take_repetition_elsewhere(benchmark::State& state, TimedCase& timed, Index process,
                               const MeasureHooks& hooks) {
  stop_if_interrupted();
  hooks.on_lap(Activity::kElse);
  const RemoteRepetition taken = hooks.others.repeat({.the_case = timed.measurement.the_case,
                                                      .process = process,
                                                      .passes = timed.passes,
                                                      .on_lap = hooks.on_lap});
  if (!taken.status.empty()) {
    timed.is_refused = true;
    timed.measurement.status = taken.status;
    timed.measurement.reason = taken.reason;
    timed.measurement.samples.clear();
    state.SkipWithError(taken.reason.c_str());
    return;
  }
  timed.passes = taken.passes;
  for (auto _ : state) state.SetIterationTime(taken.sample.seconds);
  to_counters(taken.sample, state.counters);
}

/// Takes the samples from Google Benchmark, whose own reporters print or write unparsable CSV.
class SampleReporter : public benchmark::BenchmarkReporter {
 public:
  SampleReporter(const std::vector<TimedCase*>& cases, Index process, const MeasureHooks& hooks)
      : cases_(cases), process_(process), hooks_(hooks) {}

  bool ReportContext(const Context&) override { return true; }

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration) continue;
      const auto found = std::ranges::find_if(cases_, [&run](const TimedCase* timed) {
        return timed->measurement.the_case.id() == run.run_name.function_name;
      });
      if (found != cases_.end()) take(run, **found);
    }
  }

 private:
  void take(const Run& run, TimedCase& timed) const {
    if (timed.is_refused) return;
    timed.iterations = run.iterations;
    std::vector<Sample>& samples = timed.measurement.samples;
    samples.push_back(from_counters(run.counters));
    samples.back().seconds = run.real_accumulated_time / double(run.iterations);
    samples.back().process = process_;
    hooks_.on_sample({.the_case = timed.measurement.the_case,
                      .repetition = static_cast<Index>(samples.size()) - 1,
                      .sample = samples.back()});
  }

  const std::vector<TimedCase*>& cases_;
  Index process_;
  const MeasureHooks& hooks_;
};

/// Rounds of repetitions.
class Rounds {
 public:
  Rounds(const MeasureOptions& options, const MeasureHooks& hooks, WorkloadPool& workloads)
      : options_(options), hooks_(hooks), workloads_(workloads) {}

  /// One repetition of each case in that process. Throws Interrupted.
  void take(const std::vector<TimedCase*>& cases, Index process) {
    const RegisteredBenchmarks registered;
    for (TimedCase* timed : cases) add(*timed, process);
    SampleReporter reporter(cases, process, hooks_);
    if (is_first_) {
      benchmark::RunSpecifiedBenchmarks(&reporter);
    } else {
      // A filter that was passed on has had its say, about the names of the first round.
      benchmark::RunSpecifiedBenchmarks(&reporter, ".");
    }
    is_first_ = false;
  }

 private:
  /// Google Benchmark's list of what to run, emptied however a round ends.
  struct RegisteredBenchmarks {
    RegisteredBenchmarks() = default;
    RegisteredBenchmarks(RegisteredBenchmarks&&) = delete;
    ~RegisteredBenchmarks() { benchmark::ClearRegisteredBenchmarks(); }
  };

  void add(TimedCase& timed, Index process) const {
    const std::string id = timed.measurement.the_case.id();
    const auto take = [this, &timed, process, id](benchmark::State& state) {
      hooks_.on_step(id);
      if (hooks_.others.repeat) {
        take_repetition_elsewhere(state, timed, process, hooks_);
      } else {
        take_repetition(state, timed, workloads_, hooks_);
      }
    };
    auto* benchmark = benchmark::RegisterBenchmark(id.c_str(), take);
    if (hooks_.others.repeat) {
      benchmark->UseManualTime()->Iterations(1);
      return;
    }
    benchmark->UseRealTime();
    if (timed.iterations == 0) {
      benchmark->MinTime(options_.min_seconds);
    } else {
      benchmark->Iterations(timed.iterations);
    }
  }

  const MeasureOptions& options_;
  const MeasureHooks& hooks_;
  WorkloadPool& workloads_;
  bool is_first_ = true;
};

/// Repetitions of that visit, of each case: all of them, spread over so many.
Index repetitions_of_visit(Index repetitions, Index visits, Index visit) {
  return repetitions / visits + (visit < repetitions % visits ? 1 : 0);
}

}  // namespace

struct GroupMeasurement::State {
  MeasureOptions options;
  MeasureHooks hooks;
  std::vector<Measurement> measurements;
  std::vector<TimedCase> timed = {};
  std::vector<TimedCase*> taking_part = {};
  WorkloadPool workloads{options};
  Rounds rounds{options, hooks, workloads};
  Index visited = 0;
  double added_seconds = 0;  // of the visits beyond the repetitions that were asked for

  void release_others() const {
    if (hooks.others.release) hooks.others.release();
  }
  bool is_elsewhere() const { return static_cast<bool>(hooks.others.repeat); }
  Index visits() const { return is_elsewhere() ? options.busy_processes() : 1; }

  bool is_known(const Measurement& measurement) const {
    const TimeEstimate estimate = estimate_seconds(measurement.samples);
    return estimate.has_interval && estimate.relative_half_width() <= options.precision;
  }

  /// Those of them whose seconds are not known as well as asked take part in one more.
  void add_visit() {
    std::erase_if(taking_part, [this](const TimedCase* one) { return is_known(one->measurement); });
    const Stopwatch stopwatch;
    rounds.take(taking_part, is_elsewhere() ? visited : 0);
    added_seconds += stopwatch.seconds();
  }
};

GroupMeasurement::GroupMeasurement(const CaseGroup& group, const MeasureOptions& options,
                                   MeasureHooks hooks)
    : state_(new State{.options = options,
                       .hooks = std::move(hooks),
                       .measurements = std::vector<Measurement>(group.cases.size())}) {
  for (std::size_t i = 0; i < group.cases.size(); ++i) {
    state_->measurements[i].the_case = group.cases[i];
  }
}

GroupMeasurement::GroupMeasurement(GroupMeasurement&&) noexcept = default;
GroupMeasurement::~GroupMeasurement() = default;

void GroupMeasurement::check() {
  State& state = *state_;
  state.release_others();
  ReferencePool references;
  state.timed.reserve(state.measurements.size());  // taking_part points at them
  for (Measurement& measurement : state.measurements) {
    state.hooks.on_step("checking " + measurement.the_case.id());
    const Index passes =
        check_case(measurement, state.options, state.hooks, state.workloads, references);
    stop_if_interrupted();
    if (!measurement.status.empty()) continue;
    state.timed.push_back({.measurement = measurement, .passes = passes});
    state.taking_part.push_back(&state.timed.back());
  }
}

Index GroupMeasurement::visits() const { return state_->visits(); }

bool GroupMeasurement::is_finished() const {
  const State& state = *state_;
  if (state.taking_part.empty()) return true;
  if (state.visited < state.visits()) return false;
  if (state.options.precision <= 0) return true;
  return state.added_seconds >= state.options.precision_seconds ||
         std::ranges::all_of(state.taking_part, [&](const TimedCase* one) {
           return state.is_known(one->measurement);
         });
}

void GroupMeasurement::visit() {
  State& state = *state_;
  const bool is_asked_for = state.visited < state.visits();
  const Index rounds =
      is_asked_for ? repetitions_of_visit(state.options.repetitions, state.visits(), state.visited)
                   : 1;
  for (Index round = 0; round < rounds && !state.taking_part.empty(); ++round) {
    if (is_asked_for) {
      state.rounds.take(state.taking_part, state.visited);
    } else {
      state.add_visit();
    }
    std::erase_if(state.taking_part,
                  [](const TimedCase* one) { return one->iterations == 0 || one->is_refused; });
    stop_if_interrupted();
  }
  ++state.visited;
  state.release_others();
}

std::vector<Measurement> GroupMeasurement::result() const {
  for (const TimedCase& one : state_->timed) {
    if (!one.measurement.samples.empty() || !one.measurement.status.empty()) continue;
    one.measurement.status = "skipped";
    one.measurement.reason = one.is_refused
                                 ? refused_memory(one.measurement.the_case)
                                 : "left out by the options passed on to Google Benchmark";
  }
  return state_->measurements;
}

std::vector<Measurement> measure_group(const CaseGroup& group, const MeasureOptions& options,
                                       const MeasureHooks& hooks) {
  GroupMeasurement measurement(group, options, hooks);
  measurement.check();
  while (!measurement.is_finished()) measurement.visit();
  return measurement.result();
}

}  // namespace seqbench
