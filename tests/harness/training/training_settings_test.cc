#include "harness/training/training_settings.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "harness/tasks/tasks.h"

namespace seqbench {
namespace {

TEST(DefaultTraining, IsTheTasksOwnOrThePresets) {
  const Task& parity = task_by_name("parity");
  const TrainingSettings own = default_training(parity, nullptr, "attention");
  EXPECT_EQ(own.form.width, parity.defaults.width);
  EXPECT_EQ(own.form.heads, 4);
  EXPECT_TRUE(own.form.residual);
  EXPECT_EQ(own.learning_rate, 1e-3);
  EXPECT_EQ(own.training_steps, parity.defaults.training_steps);
  EXPECT_FALSE(own.weight_decay.has_value());

  const Preset& adding = preset_by_name("adding-600");
  const TrainingSettings published = default_training(task_by_name("adding"), &adding, "gru");
  EXPECT_EQ(published.form.width, 150);  // its own, not the preset's
  EXPECT_TRUE(published.form.direct_input);
  EXPECT_EQ(published.training_steps, adding.settings.training_steps);
  EXPECT_THROW(default_training(task_by_name("adding"), &adding, "attention"), std::out_of_range);
}

TEST(TrainingSettings, SayWhichDistancesAreTestedAndWhatTheyAreCalled) {
  TrainingSettings settings = default_training(task_by_name("first_token"), nullptr, "lstm");
  settings.variant = *find_variant("lstm", "chrono");
  settings.distance = 16;
  settings.seed = 3;
  EXPECT_EQ(settings.tested_distances(), (std::vector<Index>{16}));
  EXPECT_EQ(label(settings), "first_token causal single lstm chrono 1 layer distance 16 seed 3");
  settings.mixture = {8, 16};
  settings.form.layers = 2;
  EXPECT_EQ(settings.trained_distances(), (std::vector<Index>{8, 16}));
  EXPECT_EQ(settings.tested_distances(), (std::vector<Index>{8, 16, 32}));
  EXPECT_EQ(label(settings), "first_token causal mixed lstm chrono 2 layers distance 16 seed 3");
}

TEST(InAttentionBlocks, LeavesTheSequenceLayerAlone) {
  const Task& task = task_by_name("first_token");
  const TrainingSettings bare = default_training(task, nullptr, "lstm");
  const TrainingSettings blocks = in_attention_blocks(bare);
  const TrainingSettings attention = default_training(task, nullptr, "attention");
  EXPECT_EQ(block_name(bare.form), "layer");
  EXPECT_EQ(block_name(blocks.form), "model");
  EXPECT_EQ(blocks.model, "lstm");
  EXPECT_EQ(blocks.learning_rate, bare.learning_rate);
  visit_fields(blocks.form, [&](const std::string& name, const auto& value) {
    visit_fields(attention.form, [&](const std::string& other, const auto& expected) {
      using Same = std::is_same<decltype(value), decltype(expected)>;
      if constexpr (Same::value) {
        if (name == other) {
          EXPECT_EQ(value, expected) << name;
        }
      }
    });
  });
  EXPECT_EQ(label(blocks), "first_token causal single lstm  2 layers in blocks distance 1 seed 1");
  EXPECT_FALSE(stands_in_other_blocks(attention) || stands_in_other_blocks(bare));

  // The same training too: the encoder's attention has a weight decay of its own.
  const Task& encoder = task_by_name("coreference", "encoder");
  const TrainingSettings gru = default_training(encoder, nullptr, "gru");
  EXPECT_EQ(in_attention_blocks(gru).weight_decay,
            default_training(encoder, nullptr, "attention").weight_decay);
  EXPECT_NE(in_attention_blocks(gru).weight_decay, gru.weight_decay);
  // mqar has every model in the same blocks.
  EXPECT_EQ(block_name(default_training(task_by_name("mqar"), nullptr, "elman").form), "model");
  EXPECT_THROW(in_attention_blocks(default_training(task_by_name("copy_all"), nullptr, "lstm")),
               std::invalid_argument);
}

TEST(LargestBatch, HasTheLongestSequencesAndTheMostAnswers) {
  TrainingSettings settings = default_training(task_by_name("parity"), nullptr, "gru");
  settings.batch = 4;
  const LargestBatch largest = largest_batch(settings, {8, 32, 16});
  EXPECT_EQ(largest.shape.batch, 4);
  EXPECT_EQ(largest.shape.steps, 32);
  EXPECT_EQ(largest.answers, 4 * 32);  // every prefix
}

}  // namespace
}  // namespace seqbench
