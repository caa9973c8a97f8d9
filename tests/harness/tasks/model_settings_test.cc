#include "harness/tasks/model_settings.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "harness/models/registry.h"

namespace seqbench {
namespace {

// A model of the registry without a row would silently take no part.
TEST(SettingsOfModels, HaveARowForEveryModel) {
  const auto settings = settings_of_models("first_token", {});
  std::vector<std::string> names;
  for (const auto& [model, own] : settings) names.push_back(model);
  std::vector<std::string> registered = model_names();
  std::ranges::sort(registered);
  EXPECT_EQ(names, registered);
}

TEST(SettingsOfModels, GiveBlocksAndTheirWeightDecayToThoseThatStandInThem) {
  const auto settings =
      settings_of_models("hidden_verb", {.layers = {.layers = 3},
                                         .blocks = {.layers = 2, .residual = true},
                                         .weight_decay_of_blocks = 0.5});
  EXPECT_EQ(settings.at("lstm").form.layers, 3);
  EXPECT_FALSE(settings.at("lstm").form.residual);
  EXPECT_FALSE(settings.at("lstm").weight_decay.has_value());
  EXPECT_EQ(settings.at("attention").form.layers, 2);
  EXPECT_EQ(settings.at("attention").weight_decay, 0.5);
  EXPECT_EQ(settings.at("attention").learning_rate, 3e-3);
  EXPECT_EQ(settings.at("gru").learning_rate, 1e-2);
  EXPECT_THROW(settings_of_models("no task", {}), std::out_of_range);
}

TEST(SettingsOfModels, AreAllOfOneRateWhereNoneWasTuned) {
  const auto settings =
      settings_at_one_rate(2e-3, {.layers = {.layers = 3}, .blocks = {.layers = 2}});
  EXPECT_EQ(settings.size(), model_names().size());
  for (const auto& [model, own] : settings) {
    EXPECT_EQ(own.learning_rate, 2e-3);
    EXPECT_EQ(own.form.layers, model == "attention" ? 2 : 3);
  }
}

TEST(SettingsOfModels, TakeNoModelThatComesLate) {
  settings_of_models("parity", {});
  EXPECT_THROW(put_on_tasks("other", {}), std::logic_error);
}

}  // namespace
}  // namespace seqbench
