#include "harness/tasks/task_batch.h"

#include <gtest/gtest.h>

namespace seqbench {
namespace {

/// Three sequences of four steps; the answers of the second are two, of the others one.
TaskBatch sample() {
  TaskBatch batch;
  batch.start({3, 4});
  batch.tokens = {0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23};
  batch.answer_rows = {3, 5, 7, 10};
  batch.targets = {30, 31, 32, 33};
  batch.gaps = {1, 2, 3, 4};
  batch.minimal_pairs = true;
  return batch;
}

TEST(TaskBatch, StartForgetsWhatItHeld) {
  TaskBatch batch = sample();
  batch.start({2, 5});
  EXPECT_EQ(batch.shape.batch, 2);
  EXPECT_EQ(batch.shape.steps, 5);
  EXPECT_EQ(batch.answers(), 0);
  EXPECT_TRUE(batch.tokens.empty() && batch.targets.empty() && batch.gaps.empty());
  EXPECT_FALSE(batch.minimal_pairs);
}

TEST(TaskBatch, TakesSequencesAndTheirAnswers) {
  TaskBatch part;
  part.take(sample(), {1, 2});
  EXPECT_EQ(part.shape.batch, 2);
  EXPECT_EQ(part.shape.steps, 4);
  EXPECT_EQ(part.tokens, (std::vector<Token>{10, 11, 12, 13, 20, 21, 22, 23}));
  EXPECT_EQ(part.answer_rows, (std::vector<Index>{1, 3, 6}));
  EXPECT_EQ(part.targets, (std::vector<Token>{31, 32, 33}));
  EXPECT_EQ(part.gaps, (std::vector<Index>{2, 3, 4}));
  EXPECT_TRUE(part.values.empty());
  EXPECT_TRUE(part.minimal_pairs);
}

TEST(TaskBatch, TakesEveryChannelOfNumbers) {
  TaskBatch batch, part;
  batch.start({2, 2});
  batch.numbers = {0, 1, 2, 3, 4, 5, 6, 7};  // two channels
  batch.answer_rows = {1, 3};
  batch.values = {0.5, 1.5};
  part.take(batch, {1, 1});
  EXPECT_EQ(part.numbers, (std::vector<double>{4, 5, 6, 7}));
  EXPECT_EQ(part.values, (std::vector<double>{1.5}));
  EXPECT_TRUE(part.tokens.empty());
}

TEST(TaskBatch, PartsPutTogetherAreTheWhole) {
  const TaskBatch whole = sample();
  TaskBatch joined, rest;
  joined.take(whole, {0, 1});
  rest.take(whole, {1, 2});
  joined.append(rest);
  EXPECT_EQ(joined.shape.batch, 3);
  EXPECT_EQ(joined.tokens, whole.tokens);
  EXPECT_EQ(joined.answer_rows, whole.answer_rows);
  EXPECT_EQ(joined.targets, whole.targets);
  EXPECT_EQ(joined.gaps, whole.gaps);
}

TEST(TaskBatch, KnowsTheLastAnswersOfEachSequence) {
  const TaskBatch batch = sample();
  std::vector<bool> last, among_two;
  for (Index a = 0; a < batch.answers(); ++a) {
    last.push_back(batch.is_last_answer(a));
    among_two.push_back(batch.is_among_last(a, 2));
  }
  EXPECT_EQ(last, (std::vector<bool>{true, false, true, true}));
  EXPECT_EQ(among_two, (std::vector<bool>{true, true, true, true}));
}

}  // namespace
}  // namespace seqbench
