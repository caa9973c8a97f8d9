#include "harness/text/text_tuning.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/harness/text/text_of.h"

namespace seqbench {
namespace {

TEST(TextTuning, ScoresRatesThatHaveAllSeedsByTheMedian) {
  const double kNever = std::numeric_limits<double>::infinity();
  const SeedLosses losses = {{1e-3, {{1000, 2.0}, {1001, 1.0}, {1002, 3.0}}},
                             {3e-3, {{1000, 1.5}, {1002, 1.5}}},
                             {1e-2, {{1000, kNever}, {1001, 1.0}, {1002, kNever}}}};
  const TuningScores scores = scores_of(losses, {1000, 1001, 1002});
  ASSERT_EQ(scores.size(), 2u);
  EXPECT_EQ(scores.at(1e-3).loss, 2);
  EXPECT_TRUE(std::isinf(scores.at(1e-2).loss));
  EXPECT_EQ(best_rate(scores), 1e-3);
}

TEST(TextTuning, GoesBeyondTheBestAtTheEdge) {
  SeedLosses losses;
  for (const double rate : rates_to_try({})) losses[rate][1000] = 1 / rate;
  EXPECT_EQ(losses.size(), 4u);
  EXPECT_EQ(rates_to_try(scores_of(losses, {1000})), std::vector<double>{3e-2});
  losses[3e-2][1000] = 1000;
  EXPECT_TRUE(rates_to_try(scores_of(losses, {1000})).empty());
}

TEST(TextTuning, ATrialFallsToATenthOfItsRate) {
  const TextSettings trial = text_trial(small_training("gru", 9), 3e-3);
  EXPECT_EQ(trial.learning_rate, 3e-3);
  EXPECT_DOUBLE_EQ(trial.last_learning_rate, 3e-4);
  EXPECT_EQ(trial.validations, 1);
}

}  // namespace
}  // namespace seqbench
