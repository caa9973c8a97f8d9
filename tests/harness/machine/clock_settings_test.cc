#include "harness/machine/clock_settings.h"

#include "tests/harness/temporary_folder.h"

namespace seqbench {
namespace {

class ClockSettingsTest : public FolderTest {
 protected:
  std::string governor_of(const std::vector<int>& cpus) const {
    return clock_settings(cpus, folder_).governor;
  }
  std::string turbo() const { return clock_settings({0}, folder_).turbo; }
};

TEST_F(ClockSettingsTest, AreUnknownWhereTheSystemDoesNotTell) {
  EXPECT_EQ(governor_of({0, 1}), "unknown");
  EXPECT_EQ(governor_of({}), "unknown");
  EXPECT_EQ(turbo(), "unknown");
  write("cpu0/cpufreq/scaling_governor", "");
  write("intel_pstate/no_turbo", "\n");
  write("cpufreq/boost", "");
  EXPECT_EQ(governor_of({0}), "unknown");
  EXPECT_EQ(turbo(), "unknown");
}

TEST_F(ClockSettingsTest, GovernorIsThatOfTheCpusInUse) {
  write("cpu0/cpufreq/scaling_governor", "powersave\n");
  write("cpu2/cpufreq/scaling_governor", "schedutil\n");
  write("cpu3/cpufreq/scaling_governor", "schedutil\n");
  EXPECT_EQ(governor_of({0}), "powersave");
  EXPECT_EQ(governor_of({2, 3}), "schedutil");
}

TEST_F(ClockSettingsTest, TellsEveryGovernorWhereTheyDiffer) {
  write("cpu1/cpufreq/scaling_governor", "performance");
  write("cpu2/cpufreq/scaling_governor", "schedutil");
  write("cpu3/cpufreq/scaling_governor", "performance");
  EXPECT_EQ(governor_of({1, 2, 3}), "performance, schedutil");
  EXPECT_EQ(governor_of({1, 4}), "performance, unknown");
}

TEST_F(ClockSettingsTest, ReadsEitherSwitchOfTurbo) {
  write("cpufreq/boost", "1");
  EXPECT_EQ(turbo(), "on");
  write("cpufreq/boost", "0");
  EXPECT_EQ(turbo(), "off");
  write("intel_pstate/no_turbo", "0");
  EXPECT_EQ(turbo(), "on");
  write("intel_pstate/no_turbo", "1");
  EXPECT_EQ(turbo(), "off");
}

TEST_F(ClockSettingsTest, TakesNoOtherWordForOnOrOff) {
  for (const char* word : {"<unsupported>", "2", "-1", "yes", "01"}) {
    write("intel_pstate/no_turbo", word);
    write("cpufreq/boost", word);
    EXPECT_EQ(turbo(), "unknown") << word;
  }
  write("cpufreq/boost", "1");
  EXPECT_EQ(turbo(), "on");
}

}  // namespace
}  // namespace seqbench
