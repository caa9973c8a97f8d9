#include "core/partial_load.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

namespace seqbench {
namespace {

/// Memory behind which nothing may be read.
class GuardedPage {
 public:
  GuardedPage() {
    void* const pages =
        ::mmap(nullptr, 2 * kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) return;
    first_ = static_cast<char*>(pages);
    ::mprotect(end(), kBytes, PROT_NONE);
  }
  GuardedPage(GuardedPage&&) = delete;
  ~GuardedPage() { ::munmap(first_, 2 * kBytes); }

  /// Where the second page starts, any access to which ends the process.
  char* end() const { return first_ + kBytes; }

 private:
  const std::size_t kBytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  char* first_ = nullptr;
};

template <typename T>
class PartialLoads : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(PartialLoads, Scalars);

TYPED_TEST(PartialLoads, ReadTheFirstLanesNothingBehindAndZeroElsewhere) {
  using T = TypeParam;
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  const GuardedPage page;
  alignas(64) T loaded[hn::MaxLanes(hn::ScalableTag<T>())];
  for (Index count = 0; count <= lanes; ++count) {
    T* const p = reinterpret_cast<T*>(page.end()) - count;
    for (Index i = 0; i < count; ++i) p[i] = T(i + 1);
    const PartialLoad<hn::ScalableTag<T>> load(d, count);
    hn::Store(load(p), d, loaded);
    for (Index i = 0; i < lanes; ++i) EXPECT_EQ(loaded[i], i < count ? T(i + 1) : T(0)) << count;
    EXPECT_EQ(hn::CountTrue(d, load.mask()), std::size_t(count));
  }
}

}  // namespace
}  // namespace seqbench
