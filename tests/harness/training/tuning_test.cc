#include "harness/training/tuning.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "harness/files/csv.h"
#include "harness/tasks/presets.h"
#include "harness/tasks/task.h"
#include "harness/tasks/tasks.h"
#include "harness/training/training_settings.h"

namespace seqbench {
namespace {

TEST(TuningTrials, TakeTheMiddleDistanceASeedOfTheirOwnAndEveryRate) {
  const Task& task = task_by_name("parity");
  std::vector<TrainingSettings> requested;
  for (const std::string model : {"gru", "lstm"}) {
    for (const Index distance : {64, 8, 16}) {
      for (const Index seed : {1, 2}) {
        TrainingSettings settings = default_training(task, nullptr, model);
        settings.variant = *find_variant(model, "default");
        settings.distance = distance;
        settings.seed = seed;
        requested.push_back(settings);
      }
    }
  }
  const auto trials = tuning_trials(requested);
  ASSERT_EQ(trials.size(), 2 * kTuningRates.size());
  for (std::size_t i = 0; i < trials.size(); ++i) {
    EXPECT_EQ(trials[i].model, i < kTuningRates.size() ? "gru" : "lstm");
    EXPECT_EQ(trials[i].distance, 16);
    EXPECT_EQ(trials[i].seed, kTuningSeed);
    EXPECT_EQ(trials[i].learning_rate, kTuningRates[i % kTuningRates.size()]);
    EXPECT_FALSE(trials[i].measure_gradients);
  }
}

TEST(TuningTrials, KeepPresetsOfOneTaskApart) {
  std::vector<TrainingSettings> requested;
  for (const char* name : {"mqar-64-4", "mqar-128-8"}) {
    const Preset& preset = preset_by_name(name);
    TrainingSettings settings =
        default_training(task_by_name(preset.task, "causal"), &preset, "attention");
    settings.variant = *find_variant("attention", "learned");
    settings.distance = preset.settings.distances.front();
    requested.push_back(settings);
  }
  const auto trials = tuning_trials(requested);
  ASSERT_EQ(trials.size(), 2 * kTuningRates.size());
  EXPECT_EQ(trials.front().distance, 64);
  EXPECT_EQ(trials.back().distance, 128);
}

TEST(TuningScore, PrefersSolvedSoonerThenALowerLoss) {
  const TuningScore sure{.steps_to_solve = 100, .loss = 0.2},
      fast{.steps_to_solve = 100, .loss = 1};
  const TuningScore slow{.steps_to_solve = 200};
  const TuningScore close{.loss = 0.1}, far{.loss = 0.5}, failed{.failed = true};
  const std::vector<TuningScore> from_best = {sure, fast, slow, close, far, failed};
  for (std::size_t a = 0; a < from_best.size(); ++a) {
    for (std::size_t b = 0; b < from_best.size(); ++b) {
      EXPECT_EQ(is_better(from_best[a], from_best[b]), a < b) << a << b;
    }
  }
}

// results/tuning.csv: the tasks' rates are the best of these trials, as tasks.cc says which.
TEST(Tuning, FoundTheRatesOfTheTasks) {
  using Kind = std::vector<std::string>;  // task, set-up, model, variant
  struct Best {
    double rate;
    TuningScore score;
  };
  std::map<Kind, Best> best;
  for (const auto& row : read_csv(SEQBENCH_RESULTS_DIR "/tuning.csv")) {
    TuningScore score{.failed = row.at("status") != "ok", .loss = std::stod(row.at("loss"))};
    const std::string& solved = row.at("steps_to_solve");
    if (!solved.empty()) score.steps_to_solve = std::stoll(solved);
    const Kind kind = {row.at("task"), row.at("setup"), row.at("model"), row.at("variant")};
    const Best trial{std::stod(row.at("learning_rate")), score};
    const auto [at, is_first] = best.try_emplace(kind, trial);
    if (!is_first && is_better(score, at->second.score)) at->second = trial;
  }
  const std::map<Kind, std::string> decided_by_another = {
      {{"first_token", "causal", "lstm"}, "chrono"},
      {{"copy", "causal", "lstm"}, "chrono"},
      {{"mqar", "causal", "attention"}, "learned+conv3"}};
  for (const Task& task : all_tasks()) {
    const auto is_tuned = [&](const auto& one) { return one.first[0] == task.name; };
    if (std::ranges::none_of(best, is_tuned)) continue;  // posed by others
    for (const auto& [model, form] : task.defaults.models) {
      if (model == "attention" && task.setup == "encoder") continue;  // chosen by its maps
      const auto exception = decided_by_another.find({task.name, task.setup, model});
      const std::string variant = exception != decided_by_another.end() ? exception->second
                                  : model == "attention"                ? "learned"
                                                                        : "default";
      EXPECT_EQ(form.learning_rate, best.at({task.name, task.setup, model, variant}).rate)
          << task.name << " " << task.setup << " " << model;
    }
  }
}

}  // namespace
}  // namespace seqbench
