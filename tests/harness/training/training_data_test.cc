#include "harness/training/training_data.h"

#include <gtest/gtest.h>

#include <set>

#include "harness/tasks/task_batch.h"
#include "harness/tasks/tasks.h"
#include "harness/training/training_settings.h"

namespace seqbench {
namespace {

constexpr Index kBatch = 4, kSequences = 10, kSteps = 7;

/// Of parity, whose 2^7 sequences the ten are drawn from.
struct Small {
  Preset preset{.name = "small",
                .task = "parity",
                .settings = {.models = {}, .training_sequences = kSequences},
                .source = "",
                .differs = ""};
  TrainingSettings settings{.task = &task_by_name("parity"),
                            .preset = &preset,
                            .model = "lstm",
                            .variant = *find_variant("lstm", "default"),
                            .distance = kSteps,
                            .batch = kBatch,
                            .form = {}};
};

/// The sequences of the next batches, each with what is asked about it.
using Sequences = std::vector<std::vector<Token>>;
Sequences draw_epoch(TrainingData& data) {
  Sequences sequences;
  for (const Index expected : {4, 4, 2}) {
    TaskBatch batch;
    data.draw_next(batch);
    EXPECT_EQ(batch.shape.batch, expected);
    EXPECT_EQ(batch.shape.steps, kSteps);
    EXPECT_EQ(batch.answers(), expected * kSteps);
    for (Index b = 0; b < batch.shape.batch; ++b) {
      TaskBatch one;
      one.take(batch, {b, 1});
      sequences.push_back(one.tokens);
      sequences.back().insert(sequences.back().end(), one.targets.begin(), one.targets.end());
      EXPECT_EQ(one.answer_rows.front(), 0);
    }
  }
  return sequences;
}

TEST(TrainingData, EpochsRepeatTheirBatches) {
  Small small;
  EXPECT_EQ(TrainingData::steps_per_epoch(small.settings), 3);
  TrainingData data(small.settings);
  const Sequences first = draw_epoch(data);
  EXPECT_GT(std::set(first.begin(), first.end()).size(), 5u);
  EXPECT_EQ(draw_epoch(data), first);
}

TEST(TrainingData, ShuffledEpochsHoldTheSameSequencesInAnotherOrder) {
  Small small;
  small.preset.settings.shuffles = true;
  TrainingData data(small.settings), again(small.settings);
  const Sequences first = draw_epoch(data), second = draw_epoch(data);
  EXPECT_NE(second, first);
  EXPECT_EQ(std::multiset(second.begin(), second.end()), std::multiset(first.begin(), first.end()));
  EXPECT_GT(std::set(first.begin(), first.end()).size(), 5u);
  EXPECT_EQ(draw_epoch(again), first);
  EXPECT_EQ(draw_epoch(again), second);
}

TEST(TrainingData, WithoutEpochsAllAreFresh) {
  Small small;
  small.preset.settings.training_sequences = 0;
  TrainingData data(small.settings);
  TaskBatch first, second;
  data.draw_next(first);
  data.draw_next(second);
  EXPECT_EQ(second.shape.batch, kBatch);
  EXPECT_NE(first.tokens, second.tokens);
}

}  // namespace
}  // namespace seqbench
