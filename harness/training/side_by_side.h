// Jobs side by side, each on a worker of its own: the faster use of several CPUs for models as
// small as those of the recall tasks.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <mutex>

#include "core/tensor.h"
#include "harness/base/command_line.h"

namespace seqbench {

/// --threads, or as many as there are CPUs to use. Throws UsageError.
Index jobs_at_a_time(const CommandLine& line);

class SideBySide {
 public:
  /// Runs job(0) … job(count − 1), so many at a time. Throws what a job threw first; Interrupted
  /// when a signal came.
  void run(Index count, Index workers, const std::function<void(Index)>& job);
  /// True from a signal or a job's exception on: no job begins then, and those under way should
  /// end.
  bool stopped() const;

 private:
  std::mutex mutex_;  // guards error_
  std::exception_ptr error_;
  std::atomic<bool> has_error_ = false;
};

}  // namespace seqbench
