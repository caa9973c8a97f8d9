#include "core/thread_team.h"

#include <unistd.h>

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

#if defined(__SSE__)
#include <immintrin.h>
#endif

#include "core/affinity.h"

namespace seqbench {
namespace {

constexpr int kNotPinned = -1;

// Where the calling thread was to be pinned last, so that entering a region costs a comparison
// instead of a system call.
thread_local int wanted_cpu = kNotPinned;

/// Asks the thread itself: LLVM's OpenMP gives workers their caller's settings at every region.
void flush_subnormals_unless_set() noexcept {
  if (!flushes_subnormals()) flush_subnormals_to_zero();
}

/// The number of threads that OpenMP really runs when it is asked for `size`.
int granted_threads(int size) {
  int granted = 1;
#pragma omp parallel num_threads(size)
  {
#pragma omp single
    granted = omp_get_num_threads();
  }
  return granted;
}

/// To be called before any thread is pinned: LLVM's OpenMP takes the CPUs of the thread that starts
/// it for those of all, and puts the others there, too.
void start_openmp() { (void)omp_get_num_procs(); }

}  // namespace

ThreadTeam::ThreadTeam(int size, std::vector<int> cpus) : size_(size), cpus_(std::move(cpus)) {
  start_openmp();
  const long all = cpus_.empty() ? sysconf(_SC_NPROCESSORS_ONLN) : static_cast<long>(cpus_.size());
  concurrency_ = static_cast<int>(std::clamp<long>(all, 1, std::max(size, 1)));
  if (size < 1) {
    throw std::invalid_argument("a thread team needs at least 1 worker, got " +
                                std::to_string(size));
  }
  if (size == 1 || omp_in_parallel()) return;
  if (const int granted = granted_threads(size); granted != size) {
    throw std::runtime_error("a team of " + std::to_string(size) + " threads: OpenMP grants " +
                             std::to_string(granted) +
                             " (see OMP_THREAD_LIMIT, OMP_DYNAMIC, OMP_MAX_ACTIVE_LEVELS)");
  }
}

ThreadTeam::ThreadTeam(int size, std::vector<int> cpus, TaskRecorder& recorder)
    : size_(size), cpus_(std::move(cpus)), concurrency_(size), recorder_(&recorder) {
  assert(size >= 1 && !omp_in_parallel());
  start_openmp();
}

void ThreadTeam::prepare_caller() const noexcept {
  if (omp_in_parallel()) {
    flush_subnormals_unless_set();
  } else {
    prepare_worker(0);
  }
}

void ThreadTeam::prepare_worker(int worker) const noexcept {
  flush_subnormals_unless_set();
  if (cpus_.empty()) return;
  const int cpu = cpus_[static_cast<std::size_t>(worker) % cpus_.size()];
  if (cpu == wanted_cpu) return;
  wanted_cpu = cpu;
  // Where it is refused, the thread stays where it is: slower, still correct. DisturbanceClock
  // (harness/machine) finds out, and says so in the row.
  pin_to(cpu);
}

void flush_subnormals_to_zero() noexcept {
#if defined(__SSE__)
  constexpr unsigned kFlushToZero = 0x8000;
  constexpr unsigned kDenormalsAreZero = 0x0040;
  _mm_setcsr(_mm_getcsr() | kFlushToZero | kDenormalsAreZero);
#elif defined(__aarch64__)
  constexpr unsigned long kFlushToZero = 1ul << 24;
  unsigned long fpcr;
  asm volatile("mrs %0, fpcr" : "=r"(fpcr));
  asm volatile("msr fpcr, %0" : : "r"(fpcr | kFlushToZero));
#endif
}

bool flushes_subnormals() noexcept {
  volatile float smallest_normal = std::numeric_limits<float>::min();
  volatile float half = smallest_normal * 0.5f;
  return half == 0.0f;
}

}  // namespace seqbench
