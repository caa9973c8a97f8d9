// A barrier for workers that meet every few microseconds, as the steps of a recurrent loop do.
//
// One counter that only grows: a worker adds itself and waits until everybody of its round has.
// Arriving releases what the worker wrote before, leaving acquires what all others wrote. A worker
// spins for a while, then gives its CPU away between looks, so that more workers than CPUs advance.
#pragma once

#include <sched.h>

#include <atomic>
#include <cassert>
#include <cstdint>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "core/task_recorder.h"

namespace seqbench {

/// Tells the CPU that the calling thread spins.
inline void relax_cpu() noexcept {
#if defined(__SSE2__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

class SpinBarrier {
 public:
  /// Where there is a `recorder`, nobody waits, and it is told of every call.
  explicit SpinBarrier(int workers, TaskRecorder* recorder = nullptr)
      : workers_(recorder != nullptr ? 1 : static_cast<std::uint64_t>(workers)),
        recorder_(recorder) {
    assert(workers >= 1);
  }

  /// Returns when every worker has called it as often as the calling one.
  void wait() noexcept {
    if (workers_ == 1) {
      if (recorder_ != nullptr) recorder_->meet();
      return;
    }
    const std::uint64_t arrived = arrived_.fetch_add(1, std::memory_order_acq_rel) + 1;
    const std::uint64_t last = (arrived + workers_ - 1) / workers_ * workers_;  // of this round
    for (int looks = 0; arrived_.load(std::memory_order_acquire) < last; ++looks) {
      if (looks < kSpins) {
        relax_cpu();
      } else {
        sched_yield();
      }
    }
  }

 private:
  // Some 20 to 100 µs, which a step of an imbalanced loop may take; a worker that waits longer has
  // probably lost a CPU to another one.
  static constexpr int kSpins = 2000;

  const std::uint64_t workers_;
  TaskRecorder* const recorder_;
  // Alone on its cache lines: prefetchers fetch them in pairs.
  alignas(128) std::atomic<std::uint64_t> arrived_ = 0;
};

}  // namespace seqbench
