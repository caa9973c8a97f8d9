#include "harness/models/width_matching.h"

#include <gtest/gtest.h>

namespace seqbench {
namespace {

TEST(ClosestWidth, IsTheMultipleWithTheClosestCount) {
  const auto square = [](Index width) { return width * width; };
  EXPECT_EQ(closest_width(square, 100), 10);
  EXPECT_EQ(closest_width(square, 109), 10);
  EXPECT_EQ(closest_width(square, 112), 11);
  EXPECT_EQ(closest_width(square, 112, 4), 12);
  EXPECT_EQ(closest_width(square, 70, 4), 8);
  EXPECT_EQ(closest_width(square, 1), 1);
}

TEST(ClosestWidth, IsMatchedWithinATenth) {
  EXPECT_TRUE(is_matched(90, 100));
  EXPECT_TRUE(is_matched(110, 100));
  EXPECT_FALSE(is_matched(89, 100));
  EXPECT_FALSE(is_matched(111, 100));
}

}  // namespace
}  // namespace seqbench
