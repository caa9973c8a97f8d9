#include "harness/base/units.h"

#include <gtest/gtest.h>

#include <cmath>

namespace seqbench {
namespace {

TEST(HumanDuration, NamesTheTwoLargestUnits) {
  EXPECT_EQ(human_duration(0), "0 s");
  EXPECT_EQ(human_duration(3.4), "3 s");
  EXPECT_EQ(human_duration(59.4), "59 s");
  EXPECT_EQ(human_duration(59.6), "1 min 00 s");
  EXPECT_EQ(human_duration(4 * 60 + 5), "4 min 05 s");
  EXPECT_EQ(human_duration(59 * 60 + 59), "59 min 59 s");
  EXPECT_EQ(human_duration(3600), "1 h 00 min");
  EXPECT_EQ(human_duration(2 * 3600 + 10 * 60 + 59), "2 h 10 min");
  EXPECT_EQ(human_duration(50 * 3600), "50 h 00 min");
}

TEST(HumanBytes, StayBelow1024OfTheirUnit) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(512), "512 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1024), "1.0 KiB");
  EXPECT_EQ(human_bytes(1.5 * 1024 * 1024 * 1024), "1.5 GiB");
  EXPECT_EQ(human_bytes(std::exp2(50)), "1.0 PiB");
  EXPECT_EQ(human_bytes(std::exp2(70)), "1024.0 EiB");  // there is no larger unit
}

}  // namespace
}  // namespace seqbench
