// Counts what a test executable allocates. Replaces aligned_alloc (every Tensor) and operator new
// (the standard containers) for the whole executable: include it in one of its files.
#pragma once

#include <atomic>
#include <cstdlib>
#include <new>

namespace seqbench {

struct AllocationCount {
  std::atomic<long> tensor_bytes = 0;  // padded to 64, as Tensor asks for them
  std::atomic<long> calls = 0;         // of either kind
};

/// Totals since the program's start.
inline AllocationCount& allocations() {
  static AllocationCount count;
  return count;
}

}  // namespace seqbench

extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  seqbench::allocations().tensor_bytes += static_cast<long>(size);
  ++seqbench::allocations().calls;
  void* memory = nullptr;
  return posix_memalign(&memory, alignment, size) == 0 ? memory : nullptr;
}

// Where it inlined one of new and delete alone, GCC would take them for a mismatched pair.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++seqbench::allocations().calls;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++seqbench::allocations().calls;
  return std::malloc(size == 0 ? 1 : size);  // of std::stable_sort's buffer
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
