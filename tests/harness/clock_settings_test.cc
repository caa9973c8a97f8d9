#include "harness/clock_settings.h"

#include "tests/harness/file_tree_test.h"

namespace seqbench {
namespace {

using ClockSettingsTest = FileTreeTest;

TEST_F(ClockSettingsTest, AreUnknownWhereTheSystemDoesNotTell) {
  EXPECT_EQ(clock_settings(root_).governor, "unknown");
  EXPECT_EQ(clock_settings(root_).turbo, "unknown");
}

TEST_F(ClockSettingsTest, ReadsTheGovernorAndEitherSwitchOfTurbo) {
  write("cpu0/cpufreq/scaling_governor", "schedutil");
  EXPECT_EQ(clock_settings(root_).governor, "schedutil");
  write("cpufreq/boost", "1");
  EXPECT_EQ(clock_settings(root_).turbo, "on");
  write("cpufreq/boost", "0");
  EXPECT_EQ(clock_settings(root_).turbo, "off");
  write("intel_pstate/no_turbo", "0");
  EXPECT_EQ(clock_settings(root_).turbo, "on");
  write("intel_pstate/no_turbo", "1");
  EXPECT_EQ(clock_settings(root_).turbo, "off");
}

}  // namespace
}  // namespace seqbench
