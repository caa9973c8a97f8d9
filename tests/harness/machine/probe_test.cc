#include "harness/machine/probe.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "harness/machine/placement.h"

namespace seqbench {
namespace {

TEST(Probe, FindsAPeakThatFusedMultiplyAddsCanHave) {
  const double peak = probe_peak_gflops(ThreadTeam(1), 0.01);
  EXPECT_GT(peak, 1);
  // Four 16-lane units at 6 GHz would be 768; a chain that the compiler removed shows thousands.
  EXPECT_LT(peak, 800);
}

// Twice it by vdpbf16ps, a third of it by widened pairs. Each is the best of several short probes
// in turn, since another program may take the CPU for all of one.
TEST(Probe, FindsAPeakOfBfloat16BesideThatOfFloat32) {
  const ThreadTeam team(1);
  double peak = 0, rounded = 0;
  for (int turn = 0; turn < 10; ++turn) {
    peak = std::max(peak, probe_peak_gflops(team, 0.004));
    rounded = std::max(rounded, probe_peak_gflops(team, 0.004, Factors::kBfloat16));
  }
  EXPECT_GT(rounded, 0.25 * peak);
  EXPECT_LT(rounded, 4 * peak);
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

TEST(Probe, TimesARegionOfATeamAndWhatItHandsOver) {
  EXPECT_EQ(probe_region_seconds(ThreadTeam(1), 0.001), 0);
  EXPECT_EQ(probe_handover_seconds_per_byte(ThreadTeam(1), 0.001), 0);
  const double region = probe_region_seconds(ThreadTeam(2), 0.002);
  EXPECT_GT(region, 1e-9);
  EXPECT_LT(region, 0.1);
  // A difference of two times, which a disturbed machine may turn round: then 0.
  const double byte = probe_handover_seconds_per_byte(ThreadTeam(2), 0.004);
  EXPECT_GE(byte, 0);
  EXPECT_LT(byte, 1e-4);
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

}  // namespace
}  // namespace seqbench
