#include "harness/training/stopping_rule.h"

#include <gtest/gtest.h>

#include "harness/training/training_settings.h"

namespace seqbench {
namespace {

TEST(StoppingRule, AsksForATestBehindTwoGoodStretchesInARow) {
  // A good stretch has at most half of the errors of a solved one: 0.95.
  StoppingRule rule({.solved_accuracy = 0.9, .stops_when_solved = true}, 0);
  EXPECT_EQ(rule.test_behind(20), std::nullopt);
  rule.add_stretch(0.96);
  EXPECT_EQ(rule.test_behind(20), std::nullopt);
  rule.add_stretch(0.94);
  EXPECT_EQ(rule.test_behind(40), std::nullopt);
  rule.add_stretch(0.95);
  EXPECT_EQ(rule.test_behind(60), std::nullopt);
  rule.add_stretch(1.0);
  EXPECT_EQ(rule.test_behind(80), streams::kStoppingData);
  EXPECT_EQ(rule.test_behind(81), std::nullopt);  // not the end of a stretch
}

TEST(StoppingRule, CountsAStretchAsSolvedAtTheTasksMark) {
  StoppingRule rule({.solved_accuracy = 0.9}, 0);
  EXPECT_FALSE(rule.stretch_is_solved());
  rule.add_stretch(0.9);
  EXPECT_TRUE(rule.stretch_is_solved());
  rule.add_stretch(0.89);
  EXPECT_FALSE(rule.stretch_is_solved());
}

TEST(StoppingRule, NeverAsksWhereATaskDoesNotStop) {
  StoppingRule rule({.solved_accuracy = 0.9}, 0);
  for (Index stretch = 1; stretch < 5; ++stretch) {
    rule.add_stretch(1.0);
    EXPECT_EQ(rule.test_behind(stretch * kStretchSteps), std::nullopt);
  }
}

TEST(StoppingRule, TestsBehindEachEpochWhateverTheStretchesSay) {
  StoppingRule rule({.solved_accuracy = 0.9, .tests_epochs = true}, 7);
  EXPECT_EQ(rule.test_behind(7), streams::kTestData);
  EXPECT_EQ(rule.test_behind(8), std::nullopt);
  EXPECT_EQ(rule.test_behind(21), streams::kTestData);
  rule.add_stretch(1.0);
  EXPECT_FALSE(rule.stretch_is_solved());
}

}  // namespace
}  // namespace seqbench
