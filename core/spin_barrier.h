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
  explicit SpinBarrier(int workers) : workers_(static_cast<std::uint64_t>(workers)) {
    assert(workers >= 1);
  }

  /// Returns when every worker has called it as often as the calling one.
  void wait() noexcept {
    if (workers_ == 1) return;
    const std::uint64_t arrived = arrived_.fetch_add(1, std::memory_order_acq_rel) + 1;
    const std::uint64_t last = (arrived + workers_ - 1) / workers_ * workers_;  // of this round
    for (int looks = 0; arrived_.load(std::memory_order_acquire) < last; ++looks) {
      if (looks >= kBusyLooks + kRelaxedLooks) {
        sched_yield();
      } else if (looks >= kBusyLooks) {
        relax_cpu();
      }
    }
  }

 private:
  // Some 5 µs of plain looks: a hypervisor takes a run of PAUSE for a CPU that may be lent to others
  // and stops it for longer than most steps take (8 µs measured, at every step).
  static constexpr int kBusyLooks = 4000;
  // Then 20 to 100 µs, which a step of an imbalanced loop may take; a worker that waits longer has
  // probably lost a CPU to another one.
  static constexpr int kRelaxedLooks = 2000;

  const std::uint64_t workers_;
  // Alone on its cache lines: prefetchers fetch them in pairs.
  alignas(128) std::atomic<std::uint64_t> arrived_ = 0;
};

}  // namespace seqbench
