// What happens to a case before it may be timed: it is allocated, run, and compared with its
// reference.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>

#include "harness/timing/case.h"
#include "harness/timing/reference.h"
#include "harness/timing/wall_time.h"
#include "harness/timing/workload.h"

namespace seqbench {

struct PrepareOptions {
  std::uint64_t seed = 1;
  double memory_limit_bytes = 0;
  LayerFactory make_layer = seqbench::make_layer<float>;
  int workers = 0;  // of teams that will run it, where some are larger than the case's threads
  /// Told how many bytes are allocated next, workload and reference together.
  std::function<void(double)> make_room = [](double) {};
  /// Told what went on since the last call.
  std::function<void(Activity)> on_lap = [](Activity) {};
  /// Returns what is wrong with the result of the first run, "" when nothing is; by default, its
  /// difference from a reference that is computed for this case alone.
  std::function<std::string(Workload&)> check = [](Workload& workload) {
    return Reference(workload).difference(workload);
  };
};

struct Preparation {
  std::unique_ptr<Workload> workload;  // null unless the case may be timed
  double peak_bytes = std::numeric_limits<double>::quiet_NaN();  // measured growth of the resident
                                                                 // set; not a number where unknown
  double predicted_bytes = std::numeric_limits<double>::quiet_NaN();  // where they are not the
                                                                      // case's own prediction
  double first_pass_seconds = 0;                                      // of the run that was checked
  std::string status;  // "failed", "skipped", or "" when it may be timed
  std::string reason;  // why it may not

  /// Passes that a repetition of the case has: 1 where that surely fills the least seconds; 0: as
  /// many as fill them.
  Index passes_of_repetition(double min_seconds) const {
    // A first pass is slower than others, hardly by half.
    return first_pass_seconds >= 2 * min_seconds ? 1 : 0;
  }
};

/// The reason of a case below the memory limit for which the system has no memory all the same.
std::string refused_memory(const Case& one);

Preparation prepare(const Case& one, const PrepareOptions& options);

/// Of a case whose result another process of this build has checked: allocated, its context read
/// where it decodes, and not run.
Preparation prepare_unchecked(const Case& one, const PrepareOptions& options);

}  // namespace seqbench
