#include "harness/training/ablations.h"

#include <gtest/gtest.h>

#include <set>

#include "core/optimiser.h"
#include "harness/tasks/task.h"
#include "harness/tasks/tasks.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

TrainingSettings of_task(const std::string& task, const std::string& variant) {
  TrainingSettings settings = default_training(task_by_name(task), nullptr, "attention");
  settings.variant = *find_variant("attention", variant);
  settings.distance = settings.defaults().distances.front();
  settings.batch = 4;
  settings.form.width = 16;
  settings.form.heads = kAblatedHeads;
  return settings;
}

TEST(Ablations, EachIsATrainingBesideTheWhole) {
  const auto all =
      with_each_ablation({of_task("mqar", "conv3"), of_task("coreference", "learned")});
  ASSERT_EQ(all.size(), 2 * kAblationNames.size());
  std::set<std::string> names;
  for (const TrainingSettings& settings : all) names.insert(name_of(settings.variant.ablation));
  EXPECT_EQ(names, (std::set<std::string>{"none", "frozen_qk", "no_scale", "identity_v", "one_head",
                                          "no_softmax"}));
  EXPECT_EQ(all.front().variant.ablation, Ablation::kNone);
  EXPECT_EQ(all.front().variant.name, "learned+conv3");
}

/// Loss of a batch by a model that was started as its task says and trained for a few steps.
struct Trained {
  std::unique_ptr<SequenceModel<float>> model;
  TaskBatch batch;

  explicit Trained(const TrainingSettings& settings)
      : model(std::make_unique<SequenceModel<float>>(model_spec(settings))),
        batch(first_batch(settings)) {
    initialise(settings, *model);
    reserve_for_steps(settings, *model);
    AdamW<float> optimiser(model->parameters(), {.weight_decay = 0.1});
    for (int step = 0; step < 3; ++step) {
      loss();
      model->backward(ThreadTeam(), batch);
      optimiser.step(1e-2);
    }
  }
  double loss() { return model->forward(ThreadTeam(), batch, Keep::kForBackward); }
  /// Draws rows of every in_proj_weight [3D, D] anew.
  void draw_rows(Index first, Index count) {
    Random random(7);
    for (Parameter<float>* parameter : model->parameters()) {
      if (parameter->name != "in_proj_weight") continue;
      const Index D = parameter->value.shape()[1];
      fill_normal(random, parameter->value.values().subspan(std::size_t(first * D * D),
                                                            std::size_t(count * D * D)));
    }
  }
};

// Neither GPT-2's start (mqar) nor PyTorch's (coreference), nor training, brings a part back.
TEST(Ablations, WhatIsTakenAwayStaysAwayUnderEveryStartAndInTraining) {
  for (const auto& [task, variant] :
       {std::pair<std::string, std::string>{"mqar", "conv3"}, {"coreference", "learned"}}) {
    std::set<double> losses;
    for (TrainingSettings settings : with_each_ablation({of_task(task, variant)})) {
      const Ablation ablation = settings.variant.ablation;
      SCOPED_TRACE(task + " " + name_of(ablation));
      Trained trained(settings);
      const double loss = trained.loss();
      losses.insert(loss);
      trained.draw_rows(0, 2);
      const double without_qk = trained.loss();
      EXPECT_EQ(without_qk == loss, ablation == Ablation::kFrozenQueriesAndKeys);
      trained.draw_rows(2, 1);
      EXPECT_EQ(trained.loss() == without_qk, ablation == Ablation::kIdentityValues);
    }
    EXPECT_EQ(losses.size(), kAblationNames.size());  // each is another model
  }
}

TEST(Ablations, FrozenWeightsFollowTheSeedAndTheBlock) {
  TrainingSettings settings = of_task("mqar", "conv3");
  settings.variant.ablation = Ablation::kFrozenQueriesAndKeys;
  std::set<std::uint64_t> seeds;
  for (settings.seed = 1; settings.seed <= 3; ++settings.seed) {
    for (const Index k : {0, 1}) {
      seeds.insert(block_spec(model_spec(settings), k, nullptr).layer.frozen_seed);
    }
  }
  EXPECT_EQ(seeds.size(), 6u);
}

}  // namespace
}  // namespace seqbench
