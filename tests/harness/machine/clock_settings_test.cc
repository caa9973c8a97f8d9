#include "harness/machine/clock_settings.h"

#include "tests/harness/temporary_folder.h"

namespace seqbench {
namespace {

using ClockSettingsTest = FolderTest;

TEST_F(ClockSettingsTest, AreUnknownWhereTheSystemDoesNotTell) {
  EXPECT_EQ(clock_settings(folder_).governor, "unknown");
  EXPECT_EQ(clock_settings(folder_).turbo, "unknown");
}

TEST_F(ClockSettingsTest, ReadsTheGovernorAndEitherSwitchOfTurbo) {
  write("cpu0/cpufreq/scaling_governor", "schedutil");
  EXPECT_EQ(clock_settings(folder_).governor, "schedutil");
  write("cpufreq/boost", "1");
  EXPECT_EQ(clock_settings(folder_).turbo, "on");
  write("cpufreq/boost", "0");
  EXPECT_EQ(clock_settings(folder_).turbo, "off");
  write("intel_pstate/no_turbo", "0");
  EXPECT_EQ(clock_settings(folder_).turbo, "on");
  write("intel_pstate/no_turbo", "1");
  EXPECT_EQ(clock_settings(folder_).turbo, "off");
}

}  // namespace
}  // namespace seqbench
