// Processes of this very program that take a sweep's repetitions, one at a time.
//
// Where a process's memory comes to lie makes a case faster or slower by some percent for as long
// as the process lives. So repetitions come from several, each with its own copy of the case, which
// stays there until the process has taken its repetitions of the group or others need the memory.
//
// A repetition that falls into a slow period of the machine is taken anew (timing/slow_periods.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "harness/base/recently_used.h"
#include "harness/server/server_process.h"
#include "harness/timing/grid.h"
#include "harness/timing/measure_options.h"
#include "harness/timing/measurement.h"
#include "harness/timing/slow_periods.h"

namespace seqbench {

class WorkerPool {
 public:
  /// For the cases of a grid. Processes start when one is first asked: as many as
  /// options.processes, and no more than there are repetitions.
  WorkerPool(const Grid& grid, const MeasureOptions& options,
             std::string program = "/proc/self/exe");

  /// A repetition of a case that was checked before, in that process; the process that it takes the
  /// place of ends. What goes wrong with the process is in the answer, and it ends then too. Throws
  /// Interrupted.
  RemoteRepetition take(const RemoteRequest& request);

  /// Frees the memory of all cases, before this process computes something itself.
  void release_all();

 private:
  struct Worker {
    Index number = -1;  // of the process that is or was here
    std::unique_ptr<ServerProcess> process;
  };
  struct Held {
    Worker* worker;
    std::string id;
    double bytes;
  };

  /// Makes the worker that process. Throws FileError.
  void start(Worker& worker, Index process);
  RemoteRepetition take_from(Worker& worker, const RemoteRequest& request);
  /// One repetition of a case that is prepared.
  RemoteRepetition repeat(Worker& worker, const RemoteRequest& request);
  /// Has the case prepared there. Returns why it could not be, "" when it is.
  std::string prepare(Worker& worker, const Case& one);
  void make_room_for(double bytes);
  void release_held();
  void release(const Held& held);
  void end(Worker& worker);

  std::vector<std::string> words_;
  std::string program_;
  double memory_limit_bytes_;
  std::vector<Worker> workers_;
  SlowPeriods slow_periods_;
  RecentlyUsed<Held> held_;
  Worker* last_ = nullptr;       // that took a repetition
  bool last_was_a_team_ = true;  // so did this process's check
};

/// The pool as a sweep sees it: nothing where the options leave all repetitions to this process.
/// The pool must outlive it.
OtherProcesses other_processes(WorkerPool& pool, const MeasureOptions& options);

}  // namespace seqbench
