#include "harness/training/side_by_side.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <stdexcept>
#include <vector>

namespace seqbench {
namespace {

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof(set), &set);
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

TEST(SideBySide, RunsEveryJobOnce) {
  std::vector<int> runs(7);
  SideBySide().run(7, 2, [&](Index k) { ++runs[std::size_t(k)]; });
  EXPECT_EQ(runs, std::vector<int>(7, 1));
}

// Two processes with a job each would otherwise share the first CPU.
TEST(SideBySide, LeavesASingleJobToTheScheduler) {
  const std::vector<int> before = allowed_cpus();
  if (before.size() == 1) GTEST_SKIP() << "one CPU alone: nothing to choose from";
  std::vector<int> within;
  SideBySide().run(1, 1, [&](Index) { within = allowed_cpus(); });
  EXPECT_EQ(within, before);
}

TEST(SideBySide, ThrowsWhatAJobThrewAndBeginsNoFurther) {
  SideBySide jobs;
  Index begun = 0;
  EXPECT_THROW(jobs.run(5, 1,
                        [&](Index) {
                          ++begun;
                          throw std::runtime_error("the second stays out");
                        }),
               std::runtime_error);
  EXPECT_EQ(begun, 1);
  EXPECT_TRUE(jobs.stopped());
}

}  // namespace
}  // namespace seqbench
