#include "harness/attention_maps/interventions.h"

#include <gtest/gtest.h>

#include "harness/base/errors.h"
#include "harness/tasks/task.h"
#include "harness/tasks/tasks.h"
#include "harness/training/model_file.h"
#include "harness/training/training.h"
#include "harness/training/training_settings.h"
#include "tests/harness/temporary_folder.h"

namespace seqbench {
namespace {

const KeepGoing kToTheEnd = [](const TrainingResult&) { return true; };

TrainingSettings small(const std::string& task_name, Index steps) {
  const Task& task = task_by_name(task_name, "encoder");
  TrainingSettings settings = default_training(task, nullptr, "attention");
  settings.variant = *find_variant("attention", "learned");
  settings.distance = 0;
  settings.training_steps = steps;
  settings.batch = 16;
  settings.form.width = 32;
  settings.measure_gradients = false;
  return settings;
}

/// What `intervene` says of the model that these settings train.
InterventionResult after_training(const TrainingSettings& settings) {
  const auto result = train(settings, kToTheEnd);
  AttentionWatch watch;
  SequenceModelSpec spec = model_spec(settings);
  spec.watch = &watch;
  SequenceModel<float> model(spec);
  copy_parameters(*result->model, model);
  return intervene(settings, 120, model, watch);
}

TEST(Intervene, HidingTheRightNounCostsTheAnswerAndHidingTheOtherNothing) {
  const InterventionResult result = after_training(small("coreference", 1500));
  ASSERT_GE(result.interventions.size(), 3u);
  EXPECT_EQ(result.interventions[0].hidden, "nothing");
  EXPECT_GT(result.interventions[0].accuracy, 0.9);
  EXPECT_EQ(result.interventions[1].hidden, "right noun");
  EXPECT_LT(result.interventions[1].accuracy, 0.3);
  EXPECT_EQ(result.interventions[1].hidden_from, "all");
  EXPECT_EQ(result.interventions[2].hidden, "other noun");
  EXPECT_GT(result.interventions[2].accuracy, 0.9);
  // "it" alone does not see the right noun: words that saw it can still tell, if at all.
  EXPECT_EQ(result.interventions[3].hidden, "right noun");
  EXPECT_EQ(result.interventions[3].hidden_from, "it");
  EXPECT_GE(result.interventions[3].accuracy, result.interventions[1].accuracy);
  EXPECT_EQ(result.interventions[4].hidden, "other noun");
  EXPECT_EQ(result.interventions[4].hidden_from, "it");
  EXPECT_GT(result.interventions[4].accuracy, 0.9);
  // What cannot be seen cannot be told from any of its class: 1 in 12 at most, but for luck.
  for (const Intervention& one : result.interventions) {
    EXPECT_TRUE(one.accuracy >= 0 && one.accuracy <= 1) << one.hidden;
  }
}

TEST(Intervene, WeightsOfAnUntrainedModelAreSharesOfOne) {
  for (const std::string task : {"coreference", "hidden_verb"}) {
    const WeightStatistics weights = after_training(small(task, 1)).weights;
    EXPECT_GT(weights.noun_weight, 0);
    EXPECT_LT(weights.noun_weight + weights.other_noun_weight, 1);
    EXPECT_TRUE(weights.largest_share >= 0 && weights.largest_share <= 1);
    // Minimal pairs: where nothing was learned, the noun that is right once is wrong once.
    if (task == "coreference") {
      EXPECT_NEAR(weights.outweighs_share, 0.5, 0.2);
    }
  }
}

// One layer has no detour: hiding a noun from the word that asks is hiding it from all.
TEST(Intervene, InOneLayerTheEdgeIsTheKey) {
  TrainingSettings settings = small("coreference", 300);
  settings.form.layers = 1;
  const InterventionResult result = after_training(settings);
  EXPECT_EQ(result.interventions[1].accuracy, result.interventions[3].accuracy);
  EXPECT_EQ(result.interventions[2].accuracy, result.interventions[4].accuracy);
  EXPECT_LT(result.interventions[1].accuracy, result.interventions[0].accuracy);
}

using ModelFile = FolderTest;

TEST_F(ModelFile, GivesBackTheModel) {
  const auto path = folder_ / "model.safetensors";
  TrainingSettings settings = small("coreference", 3);
  settings.form.mlp = MlpKind::kGelu;
  const auto result = train(settings, kToTheEnd);
  write_model(path, settings, *result->model);
  write_model(path, settings, *result->model);  // over the first
  const TensorFile file = read_safetensors(path);
  const TrainingSettings read = model_settings(file);
  EXPECT_EQ(read.task, settings.task);
  EXPECT_EQ(read.seed, settings.seed);
  EXPECT_EQ(read.form.mlp, settings.form.mlp);
  SequenceModel<float> model(model_spec(read));
  load_parameters(file, model);
  for (std::size_t k = 0; k < model.parameters().size(); ++k) {
    const auto expected = result->model->parameters()[k]->value.values();
    EXPECT_TRUE(std::ranges::equal(model.parameters()[k]->value.values(), expected));
  }
}

TEST_F(ModelFile, RefusesAnotherVocabularyTaskOrShape) {
  const auto path = folder_ / "model.safetensors";
  const TrainingSettings settings = small("hidden_verb", 1);
  const auto result = train(settings, kToTheEnd);
  write_model(path, settings, *result->model);
  const TensorFile good = read_safetensors(path);
  for (const auto& [key, value] : {std::pair("vocabulary", "the cat"),
                                   {"task", "chess"},
                                   {"setup", "causal"},
                                   {"model", "mamba"},
                                   {"variant", "chrono"},
                                   {"heads", "5"},
                                   {"width", "0"},
                                   {"layers", "x"},
                                   {"width", "1000000000"},
                                   {"mlp", "swish"},
                                   {"direct_input", "true"},
                                   {"mlp", "identity"},
                                   {"residual", "false"}}) {
    TensorFile file{.name = good.name, .metadata = good.metadata, .entries = {}};
    file.metadata[key] = value;
    EXPECT_THROW(model_settings(file), FileError) << key;
  }
  TensorFile file = read_safetensors(path);
  file.metadata["width"] = "16";
  SequenceModel<float> model(model_spec(model_settings(file)));
  EXPECT_THROW(load_parameters(file, model), FileError);
}

}  // namespace
}  // namespace seqbench
