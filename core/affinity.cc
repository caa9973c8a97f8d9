#include "core/affinity.h"

#include <pthread.h>
#include <sched.h>

#include <cerrno>
#include <memory>

namespace seqbench {
namespace {

constexpr int kNoCpu = -1;

thread_local int granted_cpu = kNoCpu;  // by the last pin_to() of this thread

/// A set with room for some CPUs, at first none; null when there is no memory for it.
class CpuSet {
 public:
  CpuSet() = default;
  explicit CpuSet(std::size_t room) noexcept : set_(CPU_ALLOC(room)), bytes_(CPU_ALLOC_SIZE(room)) {
    if (set_ != nullptr) CPU_ZERO_S(bytes_, set_.get());
  }

  explicit operator bool() const { return set_ != nullptr; }
  cpu_set_t* get() const { return set_.get(); }
  std::size_t bytes() const { return bytes_; }
  std::size_t room() const { return 8 * bytes_; }
  int count() const { return CPU_COUNT_S(bytes_, set_.get()); }
  bool has(std::size_t cpu) const { return CPU_ISSET_S(cpu, bytes_, set_.get()); }
  void add(std::size_t cpu) { CPU_SET_S(cpu, bytes_, set_.get()); }

 private:
  struct Free {
    void operator()(cpu_set_t* set) const { CPU_FREE(set); }
  };
  std::unique_ptr<cpu_set_t, Free> set_;
  std::size_t bytes_ = 0;
};

/// The calling thread's set; null where the system does not tell.
CpuSet own_set() noexcept {
  // The kernel refuses a set (EINVAL) that is smaller than its own, which may be of any size.
  constexpr std::size_t kMostCpus = 1 << 20;
  for (std::size_t room = CPU_SETSIZE; room <= kMostCpus; room *= 2) {
    CpuSet set(room);
    if (!set || ::sched_getaffinity(0, set.bytes(), set.get()) == 0) return set;
    if (errno != EINVAL) break;
  }
  return {};
}

}  // namespace

std::optional<std::vector<int>> allowed_cpus() {
  const CpuSet set = own_set();
  if (!set) return std::nullopt;
  std::vector<int> cpus;
  for (std::size_t cpu = 0; cpu < set.room(); ++cpu) {
    if (set.has(cpu)) cpus.push_back(static_cast<int>(cpu));
  }
  if (cpus.empty()) return std::nullopt;
  return cpus;
}

int pin_to(int cpu) noexcept {
  granted_cpu = kNoCpu;
  if (cpu < 0) return EINVAL;
  const auto number = static_cast<std::size_t>(cpu);
  CpuSet set(number + 1);
  if (!set) return ENOMEM;
  set.add(number);
  const int error = ::pthread_setaffinity_np(::pthread_self(), set.bytes(), set.get());
  if (error == 0) granted_cpu = cpu;
  return error;
}

bool is_pinned_to(int cpu) noexcept {
  if (const CpuSet set = own_set(); set) {
    return cpu >= 0 && set.count() == 1 && set.has(static_cast<std::size_t>(cpu));
  }
  return cpu >= 0 && granted_cpu == cpu;
}

}  // namespace seqbench
