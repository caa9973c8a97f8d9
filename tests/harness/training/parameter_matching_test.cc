#include "harness/training/parameter_matching.h"

#include <gtest/gtest.h>

#include "harness/base/errors.h"
#include "harness/models/registry.h"
#include "harness/tasks/task.h"
#include "harness/tasks/tasks.h"
#include "harness/training/training_settings.h"

namespace seqbench {
namespace {

std::vector<TrainingSettings> all_models(Index width, Index distance) {
  std::vector<TrainingSettings> trainings;
  const Task& task = task_by_name("first_token");
  for (const auto& [model, form] : task.defaults.models) {
    for (const Index layers : {1, 2}) {
      TrainingSettings settings = default_training(task, nullptr, model);
      settings.variant = *find_variant(model, variant_names({model}).front());
      settings.distance = distance;
      settings.form.width = width;
      settings.form.layers = layers;
      trainings.push_back(settings);
    }
  }
  return trainings;
}

TEST(MatchParameters, BringsAllModelsWithinTenPercentOfTheLargest) {
  for (const Index width : {24, 64}) {
    auto trainings = all_models(width, 16);
    Index largest = 0;
    for (const auto& settings : trainings) largest = std::max(largest, parameter_count(settings));
    match_parameters(trainings);
    for (const auto& settings : trainings) {
      EXPECT_NEAR(double(parameter_count(settings)), double(largest), 0.1 * double(largest))
          << settings.model << settings.form.layers;
      if (settings.model == "attention") {
        EXPECT_EQ(settings.form.width % settings.form.heads, 0);
      }
      // The neighbouring widths are not closer.
      const Index step = model_info(settings.model).has_heads() ? settings.form.heads : 1;
      for (const Index other : {settings.form.width - step, settings.form.width + step}) {
        TrainingSettings neighbour = settings;
        neighbour.form.width = other;
        EXPECT_GE(std::abs(parameter_count(neighbour) - largest),
                  std::abs(parameter_count(settings) - largest));
      }
    }
  }
}

TEST(MatchParameters, LeavesTheLargestAsItIs) {
  auto trainings = all_models(64, 16);
  match_parameters(trainings);
  Index unchanged = 0;
  for (const auto& settings : trainings) unchanged += settings.form.width == 64;
  EXPECT_EQ(unchanged, 1);  // attention with two layers
}

TEST(MatchParameters, RefusesWhatCannotComeCloseEnough) {
  auto trainings = all_models(1, 2);
  std::erase_if(trainings, [](const auto& settings) { return settings.model == "attention"; });
  // An Elman network of one layer has 58 parameters at width 1 and some 51 more at the next.
  try {
    match_parameters(trainings);
    FAIL() << "accepted";
  } catch (const UsageError& error) {
    EXPECT_EQ(std::string(error.what()).substr(0, 9), "--match: ") << error.what();
  }
}

}  // namespace
}  // namespace seqbench
