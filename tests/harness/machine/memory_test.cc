#include "harness/machine/memory.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "core/tensor.h"
#include "tests/harness/temporary_folder.h"

namespace seqbench {
namespace {

using NumberOfKey = FolderTest;

TEST_F(NumberOfKey, IsThatOfTheWholeKey) {
  write("meminfo", "MemFree:  5 kB\nMemFreeable: 6 kB\nFree:\t7 kB\nNone: kB");
  const std::string file = folder_ / "meminfo";
  EXPECT_EQ(number_of_key(file, "MemFree"), 5);
  EXPECT_EQ(number_of_key(file, "MemFreeable"), 6);
  EXPECT_EQ(number_of_key(file, "Free"), 7);
  EXPECT_EQ(number_of_key(file, "None"), 0);
}

TEST_F(NumberOfKey, IsZeroWhereThereIsNone) {
  write("meminfo", "MemFree: 5 kB");
  EXPECT_EQ(number_of_key(folder_ / "meminfo", "Mem"), 0);
  EXPECT_EQ(number_of_key(folder_ / "meminfo", "MemFree:"), 0);
  EXPECT_EQ(number_of_key(folder_ / "nowhere", "MemFree"), 0);
}

TEST(Memory, KnowsWhatItHas) {
  EXPECT_GT(usable_memory_bytes(), 1e6);
  EXPECT_GT(resident_bytes(), 1e5);
}

TEST(Memory, LeavesAQuarterOfWhatIsFree) {
  // What other programs take or give back meanwhile may be the difference.
  EXPECT_LT(usable_memory_bytes(), 0.85 * 1024 * number_of_key("/proc/meminfo", "MemAvailable"));
}

TEST(Memory, StaysWithinTheLimitOfTheAddressSpace) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_AS, &before), 0);
  constexpr double kLeft = 256 << 20;
  rlimit lowered = before;
  lowered.rlim_cur =
      static_cast<rlim_t>(1024 * number_of_key("/proc/self/status", "VmSize") + kLeft);
  if (lowered.rlim_cur > before.rlim_max) GTEST_SKIP() << "there is a lower limit already";
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &lowered), 0);
  const double usable = usable_memory_bytes();
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &before), 0);
  EXPECT_LE(usable, kLeft);
}

// The kernel counts pages for each CPU and adds them up now and then: figures are off by some MiB.
TEST(Memory, PeakIsThatSinceTheLastReset) {
  constexpr Index kBytes = 256 << 20;
  const double start = resident_bytes();
  {
    Tensor<char> touched({kBytes});
    EXPECT_GT(resident_bytes(), start + kBytes / 2);
  }
  EXPECT_GT(peak_resident_bytes(), start + kBytes / 2);
  if (!reset_peak_resident_bytes()) GTEST_SKIP() << "the system does not let a process do so";
  EXPECT_NEAR(peak_resident_bytes(), resident_bytes(), kBytes / 4);
}

}  // namespace
}  // namespace seqbench
