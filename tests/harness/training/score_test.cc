#include "harness/training/score.h"

#include <gtest/gtest.h>

#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"

namespace seqbench {
namespace {

/// Two sequences of four steps, with answers at the last two steps of each.
TaskBatch two_sequences() {
  TaskBatch batch;
  batch.start({2, 4});
  batch.answer_rows = {2, 3, 6, 7};
  return batch;
}

TEST(Score, WeighsLossesByTheirAnswers) {
  Score score(Judged::kEveryAnswer);
  score.add(two_sequences(), 1.0, {true, false, true, true});
  TaskBatch one = two_sequences();
  one.answer_rows = {7};
  score.add(one, 6.0, {false});
  EXPECT_DOUBLE_EQ(score.mean_loss(), (4 * 1.0 + 6.0) / 5);
  EXPECT_DOUBLE_EQ(score.accuracy(), 3. / 5);
}

TEST(Score, CountsTheLastAnswerOfEachSequenceWhereTheTaskSaysSo) {
  Score score(Judged::kLastAnswer);
  score.add(two_sequences(), 1.0, {false, true, false, true});
  EXPECT_EQ(score.accuracy(), 1);
  score.add(two_sequences(), 2.0, {true, false, true, false});
  EXPECT_EQ(score.accuracy(), 0.5);
  EXPECT_EQ(score.mean_loss(), 1.5);
}

TEST(ScoreByGap, CountsFromOnePowerOfTwoToTheNext) {
  ScoreByGap by_gap;
  by_gap.add({true, false, true, true}, {1, 2, 3, 8});
  by_gap.add({false}, {15});
  by_gap.add({true}, {});  // of a task without gaps
  const auto scores = by_gap.scores();
  ASSERT_EQ(scores.size(), 3u);
  const GapScore expected[] = {{1, 1, 1, 1}, {2, 3, 2, 0.5}, {8, 15, 2, 0.5}};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(scores[i].first_gap, expected[i].first_gap);
    EXPECT_EQ(scores[i].last_gap, expected[i].last_gap);
    EXPECT_EQ(scores[i].answers, expected[i].answers);
    EXPECT_EQ(scores[i].accuracy, expected[i].accuracy);
  }
}

}  // namespace
}  // namespace seqbench
