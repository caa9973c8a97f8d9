#include "harness/training/training_cost.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "harness/models/variants.h"
#include "harness/tasks/tasks.h"
#include "harness/training/training_settings.h"
#include "tests/harness/training/training_of.h"

namespace seqbench {
namespace {

TEST(TrainingCost, GrowsAsItShouldAndNeverOverflows) {
  TrainingSettings settings = settings_of("first_token", "lstm", "default", 8);
  const TrainingCost base = training_cost(settings);
  settings.training_steps *= 2;
  EXPECT_EQ(training_cost(settings).flops, 2 * base.flops);
  EXPECT_EQ(training_cost(settings).bytes, base.bytes);
  settings.form.width = settings.distance = (Index{1} << 31) - 1;
  EXPECT_GT(training_cost(settings).bytes, 1e18);
  settings.model = "attention";
  settings.form.width = 30;
  settings.form.heads = 4;
  EXPECT_THROW(training_cost(settings), std::invalid_argument);
}

TEST(TrainingCost, CountsWhatGeluAndDropoutKeep) {
  TrainingSettings settings = settings_of("mqar", "attention", "learned", 64);
  settings.form.mlp_expansion = 4;
  settings.measure_gradients = false;
  const double base = training_cost(settings).bytes;
  const double D = double(settings.form.width), B = double(settings.batch), T = 64;
  const double N = B * T, layers = double(settings.form.layers),
               heads = double(settings.form.heads);
  settings.form.mlp = MlpKind::kGelu;
  EXPECT_EQ(training_cost(settings).bytes, base + 4 * N * 4 * D * layers);
  settings.form.mlp = MlpKind::kRelu;
  settings.form.dropout = 0.1;
  // Multipliers of the embedding; in each layer P and its multipliers instead of tiles.
  EXPECT_GT(training_cost(settings).bytes, base + 4 * N * D);
  EXPECT_GT(training_cost(settings).bytes, 4 * layers * 2 * B * heads * T * T);
}

TEST(TrainingCost, CountsValueMomentsSlicesAndWorkspaceOfEachParameter) {
  TrainingSettings settings = settings_of("first_token", "gru", "default", 16);
  settings.measure_gradients = false;
  const SequenceModelSpec spec = model_spec(settings);
  const double parameters = double(SequenceModel<float>(spec).parameter_count());
  const LargestBatch largest = largest_batch(settings, settings.tested_distances());
  EXPECT_EQ(
      training_cost(settings).bytes,
      4 * 4 * parameters + declared_workspace_bytes<float>(spec, largest.shape, largest.answers));
}

TEST(TrainingCost, CountsBothLayersOfABidirectionalBlock) {
  TrainingSettings settings = settings_of("coreference", "lstm", "default", 8);
  const double one_way = training_cost(settings).flops;
  settings.task = &task_by_name("coreference", "encoder");
  const double N = double(settings.batch), D = double(settings.form.width);
  const double steps = double(settings.training_steps);
  const double T = double(settings.task->sequence_length(settings.task_setting()));
  EXPECT_EQ(training_cost(settings).flops,
            steps * 2 * double(settings.form.layers) * 3 * 16 * N * T * D * D);
  EXPECT_GT(training_cost(settings).flops, 1.9 * one_way);
}

}  // namespace
}  // namespace seqbench
