// The timing loop: one group of comparable cases, timed by Google Benchmark on wall time.
//
// Repetitions are taken in rounds, one of every case, in an order that Google Benchmark draws at
// random for each round, so that drift hits every case alike. Each repetition is bracketed by a
// probe of the FMA peak with the same threads on the same CPUs: the ratio of the two holds where an
// absolute time does not.
//
// With several processes, this one checks the cases, draws the order and keeps the samples. A visit
// is what one of the others repeats of a group; between two visits of a group others may be
// visited, so that its repetitions lie minutes apart, as another run's would. Visits beyond the
// repetitions that were asked for are one round of a new process each.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "harness/timing/case.h"
#include "harness/timing/measure_options.h"
#include "harness/timing/preparation.h"
#include "harness/timing/repetition.h"
#include "harness/timing/wall_time.h"
#include "harness/timing/workload.h"

namespace seqbench {

/// A sample in the moment after its repetition.
struct TakenSample {
  const Case& the_case;
  Index repetition = 0;  // 0, 1, … of this case
  const Sample& sample;
};

/// What is asked of another process.
struct RemoteRequest {
  const Case& the_case;
  Index process = 0;  // which: one that was not asked before is started
  Index passes = 0;   // of the repetition; 0: as many as fill its least time
  /// Told what went on since the last call.
  const std::function<void(Activity)>& on_lap;
};

/// A repetition of another process, or why there is none.
struct RemoteRepetition {
  Sample sample = {};
  Index passes = 0;
  std::string status = {};  // "failed", "skipped", or "" when it was taken
  std::string reason = {};
};

/// Processes that take repetitions in place of this one, or beside it; by default there are none.
struct OtherProcesses {
  /// Prepares and checks a case in place of prepare(), without a workload where others hold it.
  std::function<Preparation(const Case&, const PrepareOptions&)> prepare = {};
  /// A repetition of a case that this process has checked. Throws Interrupted.
  std::function<RemoteRepetition(const RemoteRequest&)> repeat = {};
  /// Frees the memory of all cases. Throws Interrupted.
  std::function<void()> release = {};
};

/// What a caller may watch or replace.
struct MeasureHooks {
  /// Told what comes next, before each check and each call of a repetition.
  std::function<void(const std::string&)> on_step = [](const std::string&) {};
  /// Told each sample before the next repetition begins.
  std::function<void(const TakenSample&)> on_sample = [](const TakenSample&) {};
  /// Told what went on since the last call.
  std::function<void(Activity)> on_lap = [](Activity) {};
  /// PrepareOptions::check; by default, the comparison with the reference, which is computed once
  /// for all cases of a model that it serves (Reference's constructor says which).
  std::function<std::string(Workload&)> check = {};
  /// As many as MeasureOptions::processes, where there are any.
  OtherProcesses others = {};
};

/// What became of one case. `reason` is empty when all repetitions were taken.
struct Measurement {
  Case the_case;
  std::vector<Sample> samples;
  double peak_bytes = 0;  // measured growth of the resident set; not a number where unknown
  double predicted_bytes =
      std::numeric_limits<double>::quiet_NaN();  // Preparation::predicted_bytes
  SweepCounts sweeps;  // of the pass that was checked; every pass takes the same
  std::string status;  // "failed", "skipped", or "" when samples decide
  std::string reason;
};

/// The measurement of one group, a visit at a time.
class GroupMeasurement {
 public:
  GroupMeasurement(const CaseGroup& group, const MeasureOptions& options, MeasureHooks hooks);
  GroupMeasurement(GroupMeasurement&&) noexcept;
  ~GroupMeasurement();

  /// Checks all cases. Throws Interrupted after the one under way when a signal came.
  void check();
  /// How many visits the repetitions that were asked for take.
  Index visits() const;
  /// Whether nothing is left to repeat.
  bool is_finished() const;
  /// The next visit; of a group that was checked and is not finished. Throws Interrupted after the
  /// repetition under way when a signal came.
  void visit();
  /// What became of the cases, in their order.
  std::vector<Measurement> result() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Checks and times all cases of a group, visit after visit. Throws as GroupMeasurement does.
std::vector<Measurement> measure_group(const CaseGroup& group, const MeasureOptions& options,
                                       const MeasureHooks& hooks);

}  // namespace seqbench
