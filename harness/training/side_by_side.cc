#include "harness/training/side_by_side.h"

#include "core/thread_team.h"
#include "harness/base/interrupt.h"
#include "harness/machine/placement.h"

namespace seqbench {

Index jobs_at_a_time(const CommandLine& line) {
  return line.given("threads") ? line.integer("threads", 1, kMostThreads)
                               : static_cast<Index>(usable_cpus().size());
}

void SideBySide::run(Index count, Index workers, const std::function<void(Index)>& job) {
  // Not pinned: fewer jobs than CPUs would all sit on the first ones, beside those of another such
  // process, and leave the last ones idle.
  ThreadTeam(static_cast<int>(workers)).for_each_task(count, [&](Index k, int) {
    if (stopped()) return;
    try {
      job(k);
    } catch (...) {  // no exception may leave a parallel region
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
      has_error_ = true;
    }
  });
  if (error_) std::rethrow_exception(error_);
  stop_if_interrupted();
}

bool SideBySide::stopped() const { return pending_signal() != 0 || has_error_; }

}  // namespace seqbench
