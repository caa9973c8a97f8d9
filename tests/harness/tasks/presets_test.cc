#include "harness/tasks/presets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <stdexcept>
#include <tuple>

#include "harness/files/csv.h"
#include "harness/tasks/task.h"
#include "harness/tasks/tasks.h"
#include "harness/timing/case.h"
#include "harness/training/training_cost.h"
#include "harness/training/training_settings.h"

namespace seqbench {
namespace {

TEST(Presets, EachIsASettingOfATaskWithASource) {
  std::set<std::string> names;
  for (const Preset& preset : all_presets()) {
    EXPECT_TRUE(names.insert(preset.name).second) << preset.name;
    EXPECT_EQ(&preset_by_name(preset.name), &preset);
    EXPECT_FALSE(preset.source.empty());
    const Task& task = task_by_name(preset.task);
    const TaskDefaults& set = preset.settings;
    if (set.shuffles || set.decays_by_epoch || set.tests_epochs) {
      EXPECT_GT(set.training_sequences, 0) << preset.name;
    }
    for (const auto& [model, form] : preset.settings.models) {
      for (const Index distance : preset.settings.distances) {
        EXPECT_GE(distance, task.min_distance(0));
        TrainingSettings settings = default_training(task, &preset, model);
        settings.distance = distance;
        settings.batch = preset.settings.batch;
        EXPECT_GT(training_cost(settings).flops, 0) << preset.name << model;
        for (const std::string& name : preset.settings.variants) {
          const auto variant = find_variant(model, name);
          if (!variant) continue;
          settings.variant = *variant;
          EXPECT_GT(SequenceModel<float>(model_spec(settings)).parameter_count(), 0);
        }
      }
    }
  }
  EXPECT_THROW(preset_by_name("none"), std::invalid_argument);
}

// The number of parameters that the sources give.
TEST(Presets, HaveThePublishedNumberOfParameters) {
  const std::map<std::string, double> published = {
      {"adding-600", 70e3}, {"copy-1000", 16e3}, {"copy-10k", 10e3}};
  for (const auto& [name, expected] : published) {
    const Preset& preset = preset_by_name(name);
    for (const auto& [model, form] : preset.settings.models) {
      TrainingSettings settings = default_training(task_by_name(preset.task), &preset, model);
      settings.distance = preset.settings.distances.front();
      SequenceModel<float> made(model_spec(settings));
      EXPECT_NEAR(double(made.parameter_count()), expected, 0.05 * expected) << name << model;
    }
  }
}

// What stands beside the published figures was had with these settings, on either machine.
TEST(Presets, AreWhatTheCommittedRowsWereRunWith) {
  using Case = std::tuple<std::string, std::string, Index>;  // preset, model, distance
  std::set<Case> committed;
  auto rows = read_csv(SEQBENCH_RESULTS_DIR "/published.csv");
  std::ranges::copy(read_csv(SEQBENCH_RESULTS_DIR "/published-zen4.csv"), std::back_inserter(rows));
  for (const auto& row : rows) {
    const auto number = [&row](const char* column) { return std::stod(row.at(column)); };
    const Preset& preset = preset_by_name(row.at("preset"));
    const TaskDefaults& set = preset.settings;
    const ModelSettings& own = set.models.at(row.at("model"));
    const auto line = row.at("preset") + " " + row.at("model") + " at " + row.at("distance");
    EXPECT_EQ(row.at("task"), preset.task) << line;
    EXPECT_EQ(number("learning_rate"), own.learning_rate) << line;
    EXPECT_EQ(number("layers"), own.form.layers) << line;
    EXPECT_EQ(number("width"), own.form.width > 0 ? own.form.width : set.width) << line;
    EXPECT_EQ(number("batch"), set.batch) << line;
    EXPECT_EQ(number("schedule_steps"), set.training_steps) << line;
    EXPECT_NE(std::ranges::find(set.variants, row.at("variant")), set.variants.end()) << line;
    EXPECT_EQ(row.at("status"), "ok") << line;
    committed.insert({preset.name, row.at("model"), std::stoll(row.at("distance"))});
  }
  for (const Preset& preset : all_presets()) {
    for (const auto& [model, form] : preset.settings.models) {
      for (const Index distance : preset.settings.distances) {
        EXPECT_TRUE(committed.contains({preset.name, model, distance}))
            << preset.name << model << distance;
      }
      for (const Index distance : preset.settings.test_distances) {
        EXPECT_TRUE(committed.contains({preset.name, model, distance}))
            << preset.name << model << distance;
      }
    }
  }
}

}  // namespace
}  // namespace seqbench
