// The threads that both contenders compute with.
//
// A team is a number of OpenMP workers pinned to given CPUs. Work is handed out as numbered tasks
// whose outputs are disjoint and whose boundaries follow from the problem's shape alone, so that a
// result does not depend on the number of workers.
#pragma once

#include <omp.h>

#include <cassert>
#include <vector>

#include "core/task_recorder.h"
#include "core/tensor.h"

namespace seqbench {

class ThreadTeam {
 public:
  /// `size` ≥ 1 workers; worker w is pinned to cpus[w mod cpus.size()], or not pinned when `cpus`
  /// is empty. Throws std::invalid_argument when size < 1, std::runtime_error when OpenMP grants
  /// fewer (OMP_THREAD_LIMIT, OMP_DYNAMIC, OMP_MAX_ACTIVE_LEVELS). A team that is made inside a
  /// parallel region is for that place alone, where it runs on the calling thread.
  explicit ThreadTeam(int size = 1, std::vector<int> cpus = {});

  /// A recorded team: shares work out as `size` ≥ 1 workers would with a CPU each, runs all of it
  /// on the calling thread, which it pins to cpus[0] unless `cpus` is empty, and tells `recorder`,
  /// which must outlive it. Not for use inside a parallel region.
  ThreadTeam(int size, std::vector<int> cpus, TaskRecorder& recorder);

  int size() const { return size_; }
  const std::vector<int>& cpus() const { return cpus_; }
  /// Workers that can run at the same time, for those that wait for each other: size(), but not
  /// more than there are CPUs (entries of cpus(), or all that are online), and 1 inside another
  /// parallel region.
  int concurrency() const { return omp_in_parallel() ? 1 : concurrency_; }
  /// Null but for a recorded team.
  TaskRecorder* recorder() const { return recorder_; }
  /// Tells the recorder, where there is one, of steps of a loop over time that come one after the
  /// other; those that end at a SpinBarrier are known without.
  void note_steps(Index steps) const {
    if (recorder_ != nullptr) recorder_->note_steps(steps);
  }
  /// Tells it what the workers of the next region hand over to each other at each meeting.
  void note_handover(double bytes) const {
    if (recorder_ != nullptr) recorder_->note_handover(bytes);
  }

  /// Calls body(task, worker) once for each task in [0, count), 0 ≤ worker < size(). Tasks are
  /// handed out as workers become free. `body` must not throw. Inside another parallel region, or
  /// with a single worker, everything runs on the calling thread as worker 0; inside another region
  /// that thread keeps the CPU that it has from there.
  template <typename Body>
  void for_each_task(Index count, const Body& body) const {
    if (recorder_ != nullptr && count > 1) return record_tasks(count, body);
    if (size_ == 1 || count <= 1 || omp_in_parallel()) {
      prepare_caller();
      for (Index task = 0; task < count; ++task) body(task, 0);
      return;
    }
#pragma omp parallel num_threads(size_)
    {
      const int worker = omp_get_thread_num();
      prepare_worker(worker);
#pragma omp for schedule(dynamic)
      for (Index task = 0; task < count; ++task) body(task, worker);
    }
  }

  /// Calls body(worker) once on every worker, all at the same time. Inside another parallel region
  /// only a team of one can.
  template <typename Body>
  void on_every_worker(const Body& body) const {
    if (recorder_ != nullptr) return record_workers(body);
    if (size_ == 1) {
      prepare_caller();
      body(0);
      return;
    }
    assert(!omp_in_parallel());
#pragma omp parallel num_threads(size_)
    {
      const int worker = omp_get_thread_num();
      prepare_worker(worker);
#pragma omp barrier
      body(worker);
    }
  }

 private:
  /// Flushes subnormals to zero and pins the calling thread, unless that has been done already.
  void prepare_worker(int worker) const noexcept;
  /// The same for a caller that does all the work: as worker 0, but it is not pinned inside another
  /// parallel region, where it is one of that region's workers.
  void prepare_caller() const noexcept;

  /// Worker after worker, each taking its tasks as one of equally fast ones would.
  template <typename Body>
  void record_tasks(Index count, const Body& body) const {
    prepare_caller();
    recorder_->begin_tasks(count);
    for (int worker = 0; worker < size_; ++worker) {
      for (Index task = worker; task < count; task += size_) {
        body(task, worker);
        recorder_->end_task(task);
      }
    }
    recorder_->end_region();
  }
  template <typename Body>
  void record_workers(const Body& body) const {
    prepare_caller();
    recorder_->begin_workers();
    for (int worker = 0; worker < size_; ++worker) {
      body(worker);
      recorder_->end_worker();
    }
    recorder_->end_region();
  }

  int size_;
  std::vector<int> cpus_;
  int concurrency_;
  TaskRecorder* recorder_ = nullptr;
};

/// Sets flush-to-zero and denormals-are-zero on the calling thread: a vanishing gradient must not
/// turn into subnormal arithmetic, which is 10 to 50 times slower.
void flush_subnormals_to_zero() noexcept;

/// True when the calling thread flushes subnormals.
bool flushes_subnormals() noexcept;

}  // namespace seqbench
