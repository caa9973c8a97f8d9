#include "harness/machine/probe.h"

#include <gtest/gtest.h>

#include "harness/machine/description.h"
#include "harness/machine/memory.h"
#include "harness/machine/placement.h"
#include "harness/timing/case.h"
#include "harness/timing/roofline.h"

namespace seqbench {
namespace {

TEST(Probe, FindsAPeakThatFusedMultiplyAddsCanHave) {
  const double peak = probe_peak_gflops(ThreadTeam(1), 0.01);
  EXPECT_GT(peak, 1);
  // Four 16-lane units at 6 GHz would be 768; a chain that the compiler removed shows thousands.
  EXPECT_LT(peak, 800);
}

TEST(Probe, ReadsSmallWorkingSetsNoSlowerThanLargeOnes) {
  const MachineLimits limits = probe_limits(ThreadTeam(1));
  EXPECT_GT(limits.bytes_per_second(32 * 1024), limits.bytes_per_second(128e6));
}

TEST(Probe, TimesTheBarrierOfATeam) {
  EXPECT_EQ(probe_barrier_seconds(ThreadTeam(1), 0.001), 0);
  const double seconds = probe_barrier_seconds(ThreadTeam(2), 0.002);
  EXPECT_GT(seconds, 1e-9);  // a cache line has to travel
  EXPECT_LT(seconds, 0.1);
}

TEST(MachineLimits, InterpolatesTheBandwidthOnALogarithmicAxis) {
  MachineLimits limits;
  limits.bandwidth = {{1024, 100}, {4096, 50}};
  EXPECT_DOUBLE_EQ(limits.bytes_per_second(10), 100);
  EXPECT_DOUBLE_EQ(limits.bytes_per_second(2048), 75);
  EXPECT_DOUBLE_EQ(limits.bytes_per_second(1e9), 50);
}

TEST(Probe, TellsSharedCoresFromSeparateOnes) {
  EXPECT_TRUE(shares_cores(100, 105, 2));
  EXPECT_FALSE(shares_cores(100, 195, 2));
  EXPECT_FALSE(shares_cores(100, 60, 1));  // one thread shares with nobody, however slow
}

TEST(Probe, FindsThePeakOfEachNumberOfThreads) {
  const std::vector<double> peaks = probe_peaks(usable_cpus());
  ASSERT_EQ(peaks.size(), usable_cpus().size());
  for (const double peak : peaks) EXPECT_GT(peak, 0.1);
}

TEST(Probe, OneCpuSharesItsCoreWithNoOther) {
  EXPECT_EQ(probe_cpus_on_first_core({usable_cpus().front()}), std::vector<int>{});
}

TEST(Probe, KnowsTheTimer) {
  const TimerProbe timer = probe_timer();
  EXPECT_GT(timer.resolution_seconds, 0);
  EXPECT_LT(timer.resolution_seconds, 1e-3);
  EXPECT_GT(timer.call_seconds, 1e-10);
  EXPECT_LT(timer.call_seconds, 1e-3);
}

TEST(LimitSeconds, FollowsTheFormula) {
  MachineLimits limits;
  limits.peak_gflops = 1;                   // 10⁹ FLOP/s
  limits.bandwidth = {{1, 1e9}, {2, 1e9}};  // 10⁹ B/s
  Case one{.layer = {.model = "lstm", .kernel = "hoisted", .width = 8},
           .shape = {.batch = 1, .steps = 10}};
  // A step's product: 2·4·8·8 = 512 FLOPs = 512 ns; its weights: 4·4·8·8 = 1024 bytes = 1024 ns.
  EXPECT_NEAR(limit_seconds(one, limits), 10 * (512e-9 + 1024e-9), 1e-15);
  one.pass = Pass::kTrain;
  EXPECT_NEAR(limit_seconds(one, limits), 10 * (4 * 512e-9 + 2 * 1024e-9), 1e-15);
  limits.barrier_seconds = 100e-9;  // once a step of either loop
  EXPECT_NEAR(limit_seconds(one, limits), 10 * (4 * 512e-9 + 2 * 1124e-9), 1e-15);
  limits.barrier_seconds = 0;
  one.shape.batch = 4;  // now the FLOPs of a step are the longer part
  EXPECT_NEAR(limit_seconds(one, limits), 10 * 6 * 4 * 512e-9, 1e-15);
  one.layer = {.model = "attention", .kernel = "fused", .width = 8, .heads = 2};
  EXPECT_NEAR(limit_seconds(one, limits), 1e-9 * one.cost().flops, 1e-15);
}

TEST(Machine, KnowsItsCpusAndMemory) {
  EXPECT_GE(usable_cpus().size(), 1u);
  EXPECT_EQ(default_thread_counts().front(), 1);
  EXPECT_GT(usable_memory_bytes(), 1e6);
  EXPECT_GT(resident_bytes(), 1e5);
  const auto machine = describe_machine();
  for (const char* key :
       {"host", "cpu", "affinity", "cpus_usable", "cpu_quota", "governor", "turbo", "topology",
        "caches", "memory_bytes", "build", "libraries", "flush_subnormals"}) {
    EXPECT_TRUE(machine.contains(key)) << key;
  }
}

}  // namespace
}  // namespace seqbench
