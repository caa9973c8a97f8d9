#include "harness/timing/meeting_costs.h"

#include <gtest/gtest.h>

#include "harness/machine/placement.h"

namespace seqbench {
namespace {

TEST(MeetingCosts, GrowWithTheProcessorsFromTheNearestMeasured) {
  const MeetingCosts costs({{2, {2e-7, 1e-6, 1e-10}}, {8, {6e-7, 3e-6, 3e-10}}});
  EXPECT_EQ(costs.at(1).barrier_seconds, 0);
  EXPECT_EQ(costs.at(1).region_seconds, 0);
  EXPECT_DOUBLE_EQ(costs.at(2).barrier_seconds, 2e-7);
  EXPECT_DOUBLE_EQ(costs.at(4).barrier_seconds, 4e-7);
  EXPECT_DOUBLE_EQ(costs.at(4).region_seconds, 2e-6);
  EXPECT_DOUBLE_EQ(costs.at(8).barrier_seconds, 6e-7);
  EXPECT_DOUBLE_EQ(costs.at(64).barrier_seconds, 48e-7);
  // Half of what two hand over is the other's, three quarters of what four do.
  EXPECT_DOUBLE_EQ(costs.at(4).handover_seconds_per_byte, 1.5e-10);
  EXPECT_DOUBLE_EQ(costs.at(8).handover_seconds_per_byte, 3e-10);
}

TEST(MeetingCosts, NameWhatTheyRestOnWhereTheyWereNotMeasured) {
  const MeetingCosts costs({{2, {2e-7, 1e-6, 1e-10}}});
  EXPECT_EQ(costs.assumption(1), "");
  EXPECT_EQ(costs.assumption(2), "");
  EXPECT_TRUE(costs.is_measured(2));
  EXPECT_FALSE(costs.is_measured(64));
  EXPECT_EQ(costs.assumption(64),
            "a barrier 6.4 us and a region 32 us, 64/2 of those measured at 2; cores and their "
            "share of caches and memory as the measured ones");
}

TEST(MeetingCosts, AreNotKnownOnASingleCpu) {
  const MeetingCosts costs({});
  EXPECT_EQ(costs.at(16).barrier_seconds, 0);
  EXPECT_EQ(costs.at(16).handover_seconds_per_byte, 0);
  EXPECT_NE(costs.assumption(16).find("no two CPUs"), std::string::npos);
}

TEST(MeetingCosts, AreMeasuredForAsManyAsThereAreCpus) {
  const int cpus = static_cast<int>(usable_cpus().size());
  const MeetingCosts costs = measure_meeting_costs({1, cpus, cpus + 1});
  EXPECT_TRUE(costs.is_measured(cpus));
  EXPECT_FALSE(costs.is_measured(cpus + 1));
  if (cpus > 1) {
    EXPECT_GT(costs.at(cpus).barrier_seconds, 0);
    EXPECT_GT(costs.at(cpus).region_seconds, 0);
  }
}

}  // namespace
}  // namespace seqbench
