#include "harness/machine/memory.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>

#include "core/tensor.h"
#include "tests/harness/temporary_folder.h"

namespace seqbench {
namespace {

using NumberOfKey = FolderTest;

TEST_F(NumberOfKey, IsThatOfTheWholeKey) {
  write("meminfo", "MemFree:  5 kB\nMemFreeable: 6 kB\nFree:\t7 kB\nNone: 0 kB");
  const std::string file = folder_ / "meminfo";
  EXPECT_EQ(number_of_key(file, "MemFree"), 5);
  EXPECT_EQ(number_of_key(file, "MemFreeable"), 6);
  EXPECT_EQ(number_of_key(file, "Free"), 7);
  EXPECT_EQ(number_of_key(file, "None"), 0);
}

TEST_F(NumberOfKey, IsNotKnownWhereThereIsNone) {
  write("meminfo", "MemFree: 5 kB\nEmpty:\nWord: kB\nBelow: -3 kB\nNoNumber: nan\nEndless: inf");
  for (const char* key :
       {"Mem", "MemFree:", "Empty", "Word", "Below", "NoNumber", "Endless", "Absent"}) {
    EXPECT_EQ(number_of_key(folder_ / "meminfo", key), std::nullopt) << key;
  }
  EXPECT_EQ(number_of_key(folder_ / "nowhere", "MemFree"), std::nullopt);
}

class MemoryOfTheMachine : public FolderTest {
 protected:
  /// The available memory in KiB where /proc/meminfo has these lines.
  double available(const std::string& meminfo) const {
    write("meminfo", meminfo);
    return available_memory_bytes(folder_).value() / 1024;
  }
};

TEST_F(MemoryOfTheMachine, IsWhatTheKernelTells) {
  EXPECT_EQ(available("MemTotal: 900 kB\nMemFree: 100 kB\nMemAvailable: 500 kB"), 500);
  EXPECT_EQ(total_memory_bytes(folder_), 900 * 1024);
  EXPECT_EQ(available("MemTotal: 900 kB\nMemAvailable: 0 kB"), 0);
}

TEST_F(MemoryOfTheMachine, FallsBackToPagesThatAreFreeOrCanBe) {
  const std::string old_kernel =
      "MemTotal: 900 kB\nMemFree: 100 kB\nBuffers: 20 kB\nCached: 300 kB\nShmem: 50 kB\n"
      "SReclaimable: 7 kB\n";
  EXPECT_EQ(available(old_kernel), 100 + 20 + 300 + 7 - 50);
  EXPECT_EQ(available("MemTotal: 900 kB\nMemFree: 100 kB\nHighTotal: 0 kB"), 100);  // WSL 1
  EXPECT_EQ(available("MemFree: 100 kB\nCached: 10 kB\nShmem: 50 kB"), 100);
}

TEST_F(MemoryOfTheMachine, FallsBackToHalfOfAll) {
  EXPECT_EQ(available("MemTotal: 900 kB"), 450);
  const double all = double(::sysconf(_SC_PHYS_PAGES)) * double(::sysconf(_SC_PAGESIZE));
  for (const char* nothing : {"", "MemTotal:\nMemFree: much\n", "\n\n:\n"}) {
    EXPECT_EQ(available(nothing), all / 2 / 1024) << nothing;
    EXPECT_EQ(total_memory_bytes(folder_), all) << nothing;
  }
}

TEST_F(MemoryOfTheMachine, IsUsableWhateverIsNotTold) {
  write("meminfo", "MemTotal: 4000000 kB\nMemFree: 2000000 kB");
  EXPECT_LE(usable_memory_bytes(folder_), 0.75 * 1024 * 2000000);
  EXPECT_GT(usable_memory_bytes(folder_), 1e6);
  EXPECT_GT(usable_memory_bytes(folder_ / "nowhere"), 1e6);
}

TEST_F(MemoryOfTheMachine, IsHalvedUnderALimitBesideWhichTheUseIsNotKnown) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_AS, &before), 0);
  rlimit lowered = before;
  lowered.rlim_cur = static_cast<rlim_t>(
      1024 * number_of_key("/proc/self/status", "VmSize").value_or(1 << 20) + (512 << 20));
  if (lowered.rlim_cur > before.rlim_max) GTEST_SKIP() << "there is a lower limit already";
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &lowered), 0);
  write("meminfo", "MemAvailable: 900000000000 kB");
  const double usable = usable_memory_bytes(folder_);
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &before), 0);
  EXPECT_LE(usable, double(lowered.rlim_cur) / 2);
  EXPECT_GT(usable, 0);
}

TEST(Memory, KnowsWhatItHas) {
  EXPECT_GT(usable_memory_bytes(), 1e6);
  EXPECT_LT(usable_memory_bytes(), HUGE_VAL);
  EXPECT_GT(total_memory_bytes().value_or(0), 1e6);
}

TEST(Memory, LeavesAQuarterOfWhatIsFree) {
  const auto available = number_of_key("/proc/meminfo", "MemAvailable");
  if (!available) GTEST_SKIP() << "the kernel does not tell";
  // What other programs take or give back meanwhile may be the difference.
  EXPECT_LT(usable_memory_bytes(), 0.85 * 1024 * *available);
}

TEST(Memory, StaysWithinTheLimitOfTheAddressSpace) {
  const auto mapped = number_of_key("/proc/self/status", "VmSize");
  if (!mapped) GTEST_SKIP() << "the kernel does not tell";
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_AS, &before), 0);
  constexpr double kLeft = 256 << 20;
  rlimit lowered = before;
  lowered.rlim_cur = static_cast<rlim_t>(1024 * *mapped + kLeft);
  if (lowered.rlim_cur > before.rlim_max) GTEST_SKIP() << "there is a lower limit already";
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &lowered), 0);
  const double usable = usable_memory_bytes();
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &before), 0);
  EXPECT_LE(usable, kLeft);
}

using ResidentSet = FolderTest;

TEST_F(ResidentSet, IsNotKnownWhereTheSystemDoesNotTell) {
  write("self/status", "Name:\tseqbench\nVmSize:\t  1000 kB\n");  // as gVisor's, without VmHWM
  EXPECT_EQ(resident_bytes(folder_), std::nullopt);
  EXPECT_EQ(peak_resident_bytes(folder_), std::nullopt);
  write("self/status", "VmHWM:\t 9 kB\nVmRSS:\t 8 kB\n");
  EXPECT_EQ(resident_bytes(folder_), 8 * 1024);
  EXPECT_EQ(peak_resident_bytes(folder_), 9 * 1024);
}

// The kernel counts pages for each CPU and adds them up now and then: figures are off by some MiB.
TEST(Memory, PeakIsThatSinceTheLastReset) {
  constexpr Index kBytes = 256 << 20;
  if (!resident_bytes() || !peak_resident_bytes()) GTEST_SKIP() << "the kernel does not tell";
  const double start = *resident_bytes();
  {
    Tensor<char> touched({kBytes});
    EXPECT_GT(*resident_bytes(), start + kBytes / 2);
  }
  EXPECT_GT(*peak_resident_bytes(), start + kBytes / 2);
  if (!reset_peak_resident_bytes()) GTEST_SKIP() << "the system does not let a process do so";
  EXPECT_NEAR(*peak_resident_bytes(), *resident_bytes(), kBytes / 4);
}

TEST(MemoryGrowth, IsThatSinceItsConstruction) {
  constexpr Index kBytes = 256 << 20;
  { Tensor<char> freed({2 * kBytes}); }
  const MemoryGrowth growth;
  if (std::isnan(growth.peak_bytes())) GTEST_SKIP() << "the kernel does not tell";
  EXPECT_LT(growth.peak_bytes(), kBytes / 4);
  { Tensor<char> touched({kBytes}); }
  EXPECT_NEAR(growth.peak_bytes(), kBytes, kBytes / 4);
}

}  // namespace
}  // namespace seqbench
