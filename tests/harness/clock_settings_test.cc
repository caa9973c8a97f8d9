#include "harness/clock_settings.h"

#include <gtest/gtest.h>

#include <fstream>

namespace seqbench {
namespace {

namespace fs = std::filesystem;

class ClockSettingsTest : public testing::Test {
 protected:
  void SetUp() override { fs::remove_all(root_); }
  void TearDown() override { fs::remove_all(root_); }

  void write(const std::string& file, const std::string& text) const {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text << '\n';
  }

  fs::path root_ = fs::path(testing::TempDir()) / "seqbench_clock_settings_test";
};

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
