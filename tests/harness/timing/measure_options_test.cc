#include "harness/timing/measure_options.h"

#include <gtest/gtest.h>

#include <cmath>

#include "harness/base/errors.h"
#include "harness/machine/memory.h"

namespace seqbench {
namespace {

MeasureOptions options_of(const std::vector<std::string>& arguments) {
  CommandLine line("sample", "", "", "");
  add_measure_options(line);
  line.parse(arguments);
  return parse_measure_options(line);
}

TEST(MeasureOptions, AreByDefaultThoseOfTheStruct) {
  const MeasureOptions parsed = options_of({}), built;
  EXPECT_EQ(parsed.repetitions, built.repetitions);
  EXPECT_EQ(parsed.processes, built.processes);
  EXPECT_EQ(parsed.min_seconds, built.min_seconds);
  EXPECT_EQ(parsed.precision, built.precision);
  EXPECT_EQ(parsed.precision_seconds, built.precision_seconds);
  EXPECT_EQ(parsed.seed, built.seed);
  EXPECT_GT(parsed.memory_limit_bytes, 1e6);  // of what is free
}

TEST(MeasureOptions, AreWhatTheCommandLineSays) {
  const MeasureOptions options = options_of({"--repetitions", "5", "--min-time", "0.5",
                                             "--precision", "2%", "--precision-time", "7", "--seed",
                                             "0", "--memory-limit", "1MiB", "--processes", "3"});
  EXPECT_EQ(options.repetitions, 5);
  EXPECT_EQ(options.processes, 3);
  EXPECT_EQ(options.min_seconds, 0.5);
  EXPECT_DOUBLE_EQ(options.precision, 0.02);
  EXPECT_EQ(options.precision_seconds, 7);
  EXPECT_EQ(options.seed, 0u);
  EXPECT_EQ(options.memory_limit_bytes, 1 << 20);
}

TEST(MeasureOptions, NeverAllowMoreMemoryThanIsFree) {
  EXPECT_LT(options_of({"--memory-limit", "1000TiB"}).memory_limit_bytes,
            total_memory_bytes().value_or(HUGE_VAL));
}

TEST(MeasureOptions, RefuseWhatNoMeasurementCanHave) {
  for (const auto& [option, value] :
       {std::pair("--repetitions", "0"), std::pair("--processes", "0"),
        std::pair("--processes", "65"), std::pair("--min-time", "0"),
        std::pair("--min-time", "3601"), std::pair("--precision", "0"),
        std::pair("--precision", "101%"), std::pair("--precision-time", "0"),
        std::pair("--seed", "-1"), std::pair("--memory-limit", "much")}) {
    EXPECT_THROW(options_of({option, value}), UsageError) << option << " " << value;
  }
}

TEST(MeasureOptions, CheckWhatIsPassedOn) {
  EXPECT_THROW(options_of({"--", "--benchmark_min_time=3"}), UsageError);
  EXPECT_NO_THROW(options_of({"--"}));
}

TEST(TimingOptions, LeaveRepetitionsAsByDefault) {
  CommandLine line("sample", "", "", "");
  add_timing_options(line);
  line.parse({"--min-time", "0.25", "--seed", "3"});
  const MeasureOptions options = parse_timing_options(line);
  EXPECT_EQ(options.repetitions, MeasureOptions().repetitions);
  EXPECT_EQ(options.min_seconds, 0.25);
  EXPECT_EQ(options.seed, 3u);
}

}  // namespace
}  // namespace seqbench
