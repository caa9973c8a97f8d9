#include "core/affinity.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <cerrno>
#include <thread>

namespace seqbench {
namespace {

/// Beyond what any kernel is built for, but not beyond what a set has room for.
constexpr int kNoSuchCpu = 1 << 19;

TEST(Affinity, TellsTheCpusOfTheCallingThread) {
  const auto cpus = allowed_cpus();
  ASSERT_TRUE(cpus);
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof(set), &set) != 0) GTEST_SKIP() << "more CPUs than in this set";
  ASSERT_EQ(static_cast<int>(cpus->size()), CPU_COUNT(&set));
  for (const int cpu : *cpus) EXPECT_TRUE(CPU_ISSET(static_cast<std::size_t>(cpu), &set)) << cpu;
}

// In threads of their own, since pinning outlives the test.
TEST(Affinity, PinsToACpuThatIsAllowed) {
  std::thread([] {
    const std::vector<int> cpus = allowed_cpus().value();
    for (const int cpu : cpus) {
      EXPECT_EQ(pin_to(cpu), 0);
      EXPECT_TRUE(is_pinned_to(cpu));
      EXPECT_FALSE(is_pinned_to(cpu + 1));
      EXPECT_EQ(allowed_cpus(), std::vector{cpu});
    }
  }).join();
}

TEST(Affinity, SaysWhyACpuIsRefusedAndLeavesTheThreadWhereItIs) {
  std::thread([] {
    const auto before = allowed_cpus();
    for (const int cpu : {kNoSuchCpu, -1}) {
      EXPECT_EQ(pin_to(cpu), EINVAL) << cpu;
      EXPECT_FALSE(is_pinned_to(cpu)) << cpu;
      EXPECT_EQ(allowed_cpus(), before) << cpu;
    }
  }).join();
}

TEST(Affinity, SeesThatAThreadWasMovedAfterwards) {
  std::thread([] {
    const int cpu = allowed_cpus().value().front();
    cpu_set_t all;
    ASSERT_EQ(::sched_getaffinity(0, sizeof(all), &all), 0);
    if (CPU_COUNT(&all) == 1) GTEST_SKIP() << "there is one CPU";
    ASSERT_EQ(pin_to(cpu), 0);
    ASSERT_EQ(::sched_setaffinity(0, sizeof(all), &all), 0);
    EXPECT_FALSE(is_pinned_to(cpu));
  }).join();
}

}  // namespace
}  // namespace seqbench
