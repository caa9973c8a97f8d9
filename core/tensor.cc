#include "core/tensor.h"

#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>

namespace seqbench {
namespace {

constexpr double kLine = 64, kHugePage = 2 << 20;

// A page that would be less than half full is not worth it.
double unit_of(double bytes) { return bytes >= kHugePage / 2 ? kHugePage : kLine; }

}  // namespace

double padded_bytes(double bytes) {
  const double unit = unit_of(bytes);
  return std::ceil(std::max(bytes, 1.0) / unit) * unit;
}

void* allocate_zeroed(std::size_t bytes) {
  const double unit = unit_of(double(bytes)), padded = padded_bytes(double(bytes));
  if (padded > double(PTRDIFF_MAX)) throw std::bad_alloc();
  void* const memory =
      std::aligned_alloc(static_cast<std::size_t>(unit), static_cast<std::size_t>(padded));
  if (memory == nullptr) throw std::bad_alloc();
  // Only a wish: where it is refused, small pages serve.
  if (unit == kHugePage) ::madvise(memory, static_cast<std::size_t>(padded), MADV_HUGEPAGE);
  std::memset(memory, 0, bytes);
  return memory;
}

}  // namespace seqbench
