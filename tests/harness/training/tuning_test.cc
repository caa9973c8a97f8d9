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

TEST(Tuning, MarksTheBestRateAndWhetherAnyIsBeyondIt) {
  EXPECT_STREQ(best_mark(1e-3, 1e-3), "  best");
  EXPECT_STREQ(best_mark(1e-3, 3e-3), "");
  for (const double end : {kTuningGrid.front(), kTuningGrid.back()}) {
    EXPECT_STREQ(best_mark(end, end), "  best, the last one tried");
    EXPECT_STREQ(best_mark(1e-3, end), "");
  }
}

TEST(TuningKinds, TakeTheMiddleDistanceAndTheVeryVariantAskedFor) {
  const Task& task = task_by_name("parity");
  std::vector<TrainingSettings> requested;
  for (const std::string variant : {"default", "chrono"}) {
    for (const Index distance : {64, 8, 16}) {
      for (const Index seed : {1, 2}) {
        TrainingSettings settings = default_training(task, nullptr, "gru");
        settings.variant = *find_variant("gru", variant);
        settings.distance = distance;
        settings.seed = seed;
        requested.push_back(settings);
      }
    }
  }
  const auto kinds = tuning_kinds(requested);
  ASSERT_EQ(kinds.size(), 2u);
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    EXPECT_EQ(kinds[i].variant.name, i == 0 ? "default" : "chrono");
    EXPECT_EQ(kinds[i].distance, 16);
    EXPECT_FALSE(kinds[i].measure_gradients);
  }
}

TEST(TuningKinds, KeepPresetsOfOneTaskAndBlocksApart) {
  std::vector<TrainingSettings> requested;
  for (const char* name : {"mqar-64-4", "mqar-128-8"}) {
    const Preset& preset = preset_by_name(name);
    TrainingSettings settings =
        default_training(task_by_name(preset.task, "causal"), &preset, "attention");
    settings.variant = *find_variant("attention", "learned");
    settings.distance = preset.settings.distances.front();
    requested.push_back(settings);
  }
  const auto presets = tuning_kinds(requested);
  ASSERT_EQ(presets.size(), 2u);
  EXPECT_EQ(presets.front().distance, 64);
  EXPECT_EQ(presets.back().distance, 128);

  TrainingSettings bare = default_training(task_by_name("copy"), nullptr, "lstm");
  bare.variant = *find_variant("lstm", "default");
  EXPECT_EQ(tuning_kinds({bare, in_attention_blocks(bare)}).size(), 2u);
}

TEST(TuningScore, PrefersMoreSeedsThenSoonerThenALowerLoss) {
  using Seeds = std::vector<TuningTrial>;
  const auto solved = [](Index steps, double loss) {
    return TuningTrial{.steps_to_solve = steps, .loss = loss};
  };
  const auto unsolved = [](double loss) { return TuningTrial{.loss = loss}; };
  const TuningTrial failed{.failed = true};
  const std::vector<Seeds> from_best = {
      {solved(100, 0.2), solved(90, 0.2), solved(900, 0.2)},
      {solved(100, 0.2), solved(90, 0.3), solved(900, 0.3)},
      {solved(110, 0.1), solved(95, 0.1), solved(112, 0.1)},
      {solved(50, 0.1), solved(60, 0.1), unsolved(2)},
      {solved(50, 0.1), failed, solved(70, 0.1)},
      {solved(5, 0.1), unsolved(2), unsolved(2)},
      {unsolved(0.1), unsolved(0.2), unsolved(9)},
      {unsolved(0.3), unsolved(0.3), unsolved(0.3)},
      {unsolved(0.1), failed, failed},
  };
  for (std::size_t a = 0; a < from_best.size(); ++a) {
    for (std::size_t b = 0; b < from_best.size(); ++b) {
      EXPECT_EQ(is_better(score_of(from_best[a]), score_of(from_best[b])), a < b) << a << b;
    }
  }
  const TuningScore score = score_of(from_best[3]);
  EXPECT_EQ(score.solved, 2);
  EXPECT_EQ(score.steps, 60);
  EXPECT_EQ(score.loss, 0.1);
}

TEST(RatesToTry, GoOnUntilTheBestIsNotAtTheEdge) {
  using Rates = std::vector<double>;
  TuningScores tried;
  const auto add = [&tried](double rate, double loss) {
    tried[rate] = score_of({{.loss = loss}, {.loss = loss}, {.loss = loss}});
  };
  EXPECT_EQ(rates_to_try(tried), (Rates{3e-4, 1e-3, 3e-3, 1e-2}));
  add(3e-4, 3), add(1e-3, 2), add(3e-3, 1);
  EXPECT_EQ(rates_to_try(tried), (Rates{3e-4, 1e-3, 3e-3, 1e-2}));
  add(1e-2, 1.5);
  EXPECT_EQ(best_rate(tried), 3e-3);
  EXPECT_EQ(rates_to_try(tried), Rates{});
  add(1e-2, 0.5);
  EXPECT_EQ(rates_to_try(tried), Rates{3e-2});
  add(3e-2, 0.4);
  EXPECT_EQ(rates_to_try(tried), Rates{1e-1});
  add(1e-1, 0.6);
  EXPECT_EQ(rates_to_try(tried), Rates{});
  add(3e-4, 0.1);
  EXPECT_EQ(rates_to_try(tried), Rates{1e-4});
  add(1e-4, 0.2);
  EXPECT_EQ(rates_to_try(tried), Rates{});
  // To the grid's ends, and no further.
  for (const double rate : kTuningGrid) add(rate, 1 / rate);
  EXPECT_EQ(best_rate(tried), 1);
  EXPECT_EQ(rates_to_try(tried), Rates{});
  // What fails everywhere is not tried elsewhere.
  TuningScores failed;
  for (const double rate : {3e-4, 1e-3, 3e-3, 1e-2}) failed[rate] = score_of({{.failed = true}});
  EXPECT_EQ(rates_to_try(failed), Rates{});
}

// results/tuning.csv: the tasks' rates are the best of these trials, as tasks.cc says which.
TEST(Tuning, FoundTheRatesOfTheTasks) {
  using Kind = std::vector<std::string>;  // task, set-up, model, variant
  std::map<Kind, std::map<double, std::vector<TuningTrial>>> trials;
  for (const auto& row : read_csv(SEQBENCH_RESULTS_DIR "/tuning.csv")) {
    TuningTrial trial{.failed = row.at("status") != "ok", .loss = std::stod(row.at("loss"))};
    const std::string& solved = row.at("steps_to_solve");
    if (!solved.empty()) trial.steps_to_solve = std::stoll(solved);
    const Kind kind = {row.at("task"), row.at("setup"), row.at("model"), row.at("variant")};
    trials[kind][std::stod(row.at("learning_rate"))].push_back(trial);
  }
  std::map<Kind, double> best;
  for (const auto& [kind, by_rate] : trials) {
    TuningScores scores;
    for (const auto& [rate, seeds] : by_rate) scores[rate] = score_of(seeds);
    best[kind] = best_rate(scores);
  }
  const std::map<Kind, std::string> decided_by_another = {
      {{"first_token", "causal", "lstm"}, "chrono"},
      {{"copy", "causal", "lstm"}, "chrono"},
      {{"mqar", "causal", "attention"}, "learned+conv3"},
      {{"mqar", "causal", "mingru"}, "default+conv3"}};
  for (const Task& task : all_tasks()) {
    const auto is_tuned = [&](const auto& one) { return one.first[0] == task.name; };
    if (std::ranges::none_of(best, is_tuned)) continue;  // posed by others
    for (const auto& [model, form] : task.defaults.models) {
      if (model == "attention" && task.setup == "encoder") continue;  // chosen by its maps
      const auto exception = decided_by_another.find({task.name, task.setup, model});
      const std::string variant = exception != decided_by_another.end() ? exception->second
                                  : model == "attention"                ? "learned"
                                                                        : "default";
      EXPECT_EQ(form.learning_rate, best.at({task.name, task.setup, model, variant}))
          << task.name << " " << task.setup << " " << model;
    }
  }
}

}  // namespace
}  // namespace seqbench
