#include "harness/measurement.h"

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <sstream>

#include "harness/errors.h"
#include "harness/interrupt.h"
#include "harness/machine.h"
#include "harness/probe.h"
#include "harness/progress.h"
#include "harness/reference.h"

namespace seqbench {
namespace {

constexpr double kProbeSeconds = 0.0015;  // on each side of a repetition

/// Seconds that the hypervisor has taken from these CPUs since they started (/proc/stat).
double stolen_seconds(const std::vector<int>& cpus) {
  static const double ticks_per_second = double(::sysconf(_SC_CLK_TCK));
  std::ifstream file("/proc/stat");
  double ticks = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string name;
    fields >> name;
    if (name.size() < 4 || name.compare(0, 3, "cpu") != 0) continue;
    if (std::find(cpus.begin(), cpus.end(), std::stoi(name.substr(3))) == cpus.end()) continue;
    double user, nice, system, idle, iowait, irq, softirq, steal;
    if (fields >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> steal) {
      ticks += steal;
    }
  }
  return ticks / ticks_per_second;
}

/// The CPUs that a team's workers are pinned to.
std::vector<int> cpus_of(const ThreadTeam& team) {
  std::vector<int> cpus = team.cpus();
  cpus.resize(std::min(cpus.size(), static_cast<std::size_t>(team.size())));
  return cpus;
}

/// The workloads of a group, as many at a time as fit the memory limit; the one used least recently
/// makes room.
class WorkloadPool {
 public:
  explicit WorkloadPool(const MeasureOptions& options) : options_(options) {}

  /// `one`'s workload, allocated and run once before if it was not there.
  Workload& get(const Case& one, const ThreadTeam& team) {
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      if ((*entry)->the_case().id() != one.id()) continue;
      entries_.splice(entries_.begin(), entries_, entry);
      return *entries_.front();
    }
    make_room_for(one.predicted_bytes());
    entries_.push_front(std::make_unique<Workload>(one, options_.seed));
    entries_.front()->run(team);
    return *entries_.front();
  }

  /// Adds a workload whose result has just been checked.
  void adopt(std::unique_ptr<Workload> workload) { entries_.push_front(std::move(workload)); }

  /// Drops workloads until `bytes` more fit.
  void make_room_for(double bytes) {
    double held = bytes;
    for (const auto& entry : entries_) held += entry->the_case().predicted_bytes();
    while (!entries_.empty() && held > options_.memory_limit_bytes) {
      held -= entries_.back()->the_case().predicted_bytes();
      entries_.pop_back();
    }
  }

 private:
  const MeasureOptions& options_;
  std::list<std::unique_ptr<Workload>> entries_;  // most recently used first
};

/// The references of a group: one serves all kernels and thread counts of a model.
class ReferencePool {
 public:
  const Reference& get(Workload& workload) {
    const Case& one = workload.the_case();
    const std::string key = one.layer.model + ":" + std::to_string(one.layer.heads);
    std::unique_ptr<Reference>& entry = entries_[key];
    if (entry == nullptr) entry = std::make_unique<Reference>(workload);
    return *entry;
  }

 private:
  std::map<std::string, std::unique_ptr<Reference>> entries_;
};

std::string memory_advice(const Case& one) {
  if (one.layer.kernel == "naive") return "use --kernel fused";
  return "use a smaller --batch or --length";
}

/// Allocates, runs and checks one case; fills in status and reason when it may not be timed.
void check_case(Measurement& measurement, const MeasureOptions& options, const MeasureHooks& hooks,
                WorkloadPool& workloads, ReferencePool& references) {
  const Case& one = measurement.the_case;
  const double needed = one.predicted_bytes();
  if (needed > options.memory_limit_bytes) {
    measurement.status = "skipped";
    measurement.reason = "needs " + human_bytes(needed) + ", limit " +
                         human_bytes(options.memory_limit_bytes) + "; " + memory_advice(one);
    return;
  }
  try {
    const ThreadTeam team = make_team(one.threads);
    workloads.make_room_for(needed + Reference::predicted_bytes(one));
    const bool peak_is_known = reset_peak_resident_bytes();
    const double before = resident_bytes();
    auto workload = std::make_unique<Workload>(one, options.seed);
    // A first run touches every page before the reference adds its own memory.
    workload->run(team);
    measurement.peak_bytes = peak_is_known ? std::max(0.0, peak_resident_bytes() - before)
                                           : std::numeric_limits<double>::quiet_NaN();
    workload->forget_context();
    const std::string difference = hooks.check ? hooks.check(*workload, team)
                                               : references.get(*workload).check(*workload, team);
    if (!difference.empty()) {
      measurement.status = "failed";
      measurement.reason = difference;
      return;
    }
    workloads.adopt(std::move(workload));
  } catch (const std::bad_alloc&) {
    measurement.status = "skipped";
    measurement.reason = "memory of " + human_bytes(needed) + " was refused; " + memory_advice(one);
  }
}

/// One repetition, called by Google Benchmark.
void repeat(benchmark::State& state, const Case& one, WorkloadPool& workloads) {
  // Out through Google Benchmark, which runs this on the calling thread: skipping the rest instead
  // would fail its own check that all repetitions have the same number of iterations.
  stop_if_interrupted();
  const ThreadTeam team = make_team(one.threads);
  const std::vector<int> cpus = cpus_of(team);
  Workload& workload = workloads.get(one, team);

  const double stolen_before = stolen_seconds(cpus);
  const auto start = std::chrono::steady_clock::now();
  const double peak_before = probe_peak_gflops(team, kProbeSeconds);
  for (auto _ : state) workload.run(team);
  const double peak_after = probe_peak_gflops(team, kProbeSeconds);
  const double elapsed =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  state.counters["peak_gflops"] = (peak_before + peak_after) / 2;
  state.counters["steal_fraction"] =
      (stolen_seconds(cpus) - stolen_before) / elapsed / double(cpus.size());
}

/// Takes the samples from Google Benchmark, whose own reporters print or write unparsable CSV.
class SampleReporter : public benchmark::BenchmarkReporter {
 public:
  explicit SampleReporter(std::map<std::string, Measurement*> measurements)
      : measurements_(std::move(measurements)) {}

  bool ReportContext(const Context&) override { return true; }

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration) continue;
      const auto found = measurements_.find(run.run_name.function_name);
      if (found == measurements_.end()) continue;
      found->second->samples.push_back(
          {.seconds = run.real_accumulated_time / double(run.iterations),
           .peak_gflops = run.counters.at("peak_gflops").value,
           .steal_fraction = run.counters.at("steal_fraction").value});
    }
  }

 private:
  std::map<std::string, Measurement*> measurements_;
};

/// Hands Google Benchmark a command line; false when it does not know part of it.
bool initialise_benchmark(const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {"seqbench", "--benchmark_enable_random_interleaving=true"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  int count = static_cast<int>(pointers.size());
  benchmark::Initialize(&count, pointers.data());
  return count <= 1;
}

}  // namespace

void pass_to_benchmark(const std::vector<std::string>& arguments) {
  for (const std::string& argument : arguments) {
    for (const auto& [theirs, ours] : {std::pair("--benchmark_repetitions", "--repetitions"),
                                       std::pair("--benchmark_min_time", "--min-time")}) {
      if (argument.starts_with(theirs)) {
        throw UsageError("'" + argument + "' behind -- is not allowed; expected " + ours);
      }
    }
    if (!initialise_benchmark({argument})) {
      throw UsageError("'" + argument +
                       "' behind -- is not allowed; expected an option of Google Benchmark such as "
                       "--benchmark_filter=REGEX");
    }
  }
  initialise_benchmark(arguments);
}

std::vector<Measurement> measure_group(const CaseGroup& group, const MeasureOptions& options,
                                       const MeasureHooks& hooks) {
  std::vector<Measurement> measurements(group.cases.size());
  for (std::size_t i = 0; i < group.cases.size(); ++i) measurements[i].the_case = group.cases[i];

  WorkloadPool workloads(options);
  {
    ReferencePool references;
    for (Measurement& measurement : measurements) {
      hooks.on_step("checking " + measurement.the_case.id());
      check_case(measurement, options, hooks, workloads, references);
      stop_if_interrupted();
    }
  }

  std::map<std::string, Measurement*> timed;
  for (Measurement& measurement : measurements) {
    if (!measurement.status.empty()) continue;
    const Case& one = measurement.the_case;
    timed[one.id()] = &measurement;
    benchmark::RegisterBenchmark(one.id().c_str(),
                                 [&workloads, &hooks, &one](benchmark::State& state) {
                                   hooks.on_step(one.id());
                                   repeat(state, one, workloads);
                                 })
        ->Repetitions(options.repetitions)
        ->MinTime(options.min_seconds)
        ->UseRealTime();
  }
  if (!timed.empty()) {
    SampleReporter reporter(timed);
    benchmark::RunSpecifiedBenchmarks(&reporter);
    benchmark::ClearRegisteredBenchmarks();
  }
  stop_if_interrupted();
  for (auto& [id, measurement] : timed) {
    if (measurement->samples.empty()) {
      measurement->status = "skipped";
      measurement->reason = "left out by the options passed on to Google Benchmark";
    }
  }
  return measurements;
}

}  // namespace seqbench
