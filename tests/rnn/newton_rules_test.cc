#include "rnn/newton_rules.h"

#include <gtest/gtest.h>

#include <vector>

namespace seqbench {
namespace {

using Verdict = SweepJudge::Verdict;

/// The verdict on the last of these changes; those before go on.
Verdict verdict_on(const std::vector<double>& changes, Index steps = 64, Index most = 24) {
  SweepJudge judge(steps, {.most_sweeps = most}, /*bound=*/1e-6);
  for (std::size_t k = 0; k + 1 < changes.size(); ++k) {
    EXPECT_EQ(judge.after(changes[k]), Verdict::kGoesOn) << k;
  }
  const Verdict verdict = judge.after(changes.back());
  EXPECT_EQ(judge.sweeps(), Index(changes.size()));
  EXPECT_EQ(judge.change(), changes.back());
  return verdict;
}

TEST(SweepJudge, IsDoneBelowTheBound) {
  EXPECT_EQ(verdict_on({1e-6}), Verdict::kIsDone);
  EXPECT_EQ(verdict_on({1, 1e-3, 1e-6}), Verdict::kIsDone);
  EXPECT_EQ(verdict_on({1.1e-6}), Verdict::kGoesOn);
}

TEST(SweepJudge, IsDoneWhereTheRateLeavesLessThanTheBound) {
  // ρ/(1 − ρ)·δ, a little below the bound and a little above.
  EXPECT_EQ(verdict_on({0.5, 8e-3, 8e-5}), Verdict::kIsDone);    // 0.81e-6
  EXPECT_EQ(verdict_on({2e-5, 9e-6, 4e-6}), Verdict::kGoesOn);   // 4e-6
  EXPECT_EQ(verdict_on({0.5, 8e-3, 9.9e-5}), Verdict::kGoesOn);  // 1.24e-6
  // A rate above ½ tells of no such end.
  EXPECT_EQ(verdict_on({4e-6, 2.2e-6, 1.2e-6}), Verdict::kGoesOn);
}

TEST(SweepJudge, IsDoneWhenEveryStepIsFinal) {
  EXPECT_EQ(verdict_on({1}, /*steps=*/1), Verdict::kIsDone);
  EXPECT_EQ(verdict_on({1, 2}, /*steps=*/2), Verdict::kIsDone);
}

TEST(SweepJudge, GivesUpWhatGrowsOrRunsAway) {
  EXPECT_EQ(verdict_on({1, 1.8}), Verdict::kGoesOn);  // the first change is the guess's
  EXPECT_EQ(verdict_on({1, 1.8, 1.8}), Verdict::kIsHopeless);
  EXPECT_EQ(verdict_on({std::numeric_limits<double>::infinity()}), Verdict::kIsHopeless);
  EXPECT_EQ(SweepJudge(64, {}, 1e-6).after(std::numeric_limits<double>::quiet_NaN()),
            Verdict::kIsHopeless);
}

TEST(SweepJudge, GivesUpWhatWouldTakeTooLong) {
  // From 0.8 at the second sweep on by ½: 1e-6 after 20 more sweeps, which are 22 in all.
  EXPECT_EQ(verdict_on({1, 0.8, 0.4, 0.2}, 64, 22), Verdict::kGoesOn);
  EXPECT_EQ(verdict_on({1, 0.8, 0.4, 0.2}, 64, 21), Verdict::kIsHopeless);
  // Fewer steps end it sooner.
  EXPECT_EQ(verdict_on({1, 0.8, 0.4, 0.2}, 21, 21), Verdict::kGoesOn);
  EXPECT_EQ(verdict_on({1, 0.1, 2e-2}, 64, 3), Verdict::kIsHopeless);
}

TEST(SweepJudge, GoesOnToTheLastStepWhereItMustNotGiveUp) {
  SweepJudge judge(64, {.most_sweeps = 1, .gives_up = false}, 1e-6);
  for (int sweep = 1; sweep < 64; ++sweep) EXPECT_EQ(judge.after(sweep), Verdict::kGoesOn);
  EXPECT_EQ(judge.after(64), Verdict::kIsDone);
}

TEST(SweepTrials, PausesLongerAfterEachWindowGivenUp) {
  SweepTrials trials;
  std::vector<int> tried;
  for (int window = 0; window < 40; ++window) {
    if (!trials.tries_next()) continue;
    tried.push_back(window);
    trials.count(/*was_given_up=*/true);
  }
  EXPECT_EQ(tried, (std::vector<int>{0, 5, 14, 31}));
}

TEST(SweepTrials, TriesEveryWindowAgainAfterOneThatIsSolved) {
  SweepTrials trials;
  trials.count(true);
  trials.count(true);
  trials.count(false);
  EXPECT_TRUE(trials.tries_next());
  trials.count(true);
  for (int window = 0; window < 4; ++window) EXPECT_FALSE(trials.tries_next());
  EXPECT_TRUE(trials.tries_next());
}

}  // namespace
}  // namespace seqbench
