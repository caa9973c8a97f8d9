#include "harness/text/text_tuning.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "harness/base/interrupt.h"
#include "harness/text/text_training.h"
#include "harness/timing/case.h"

namespace seqbench {
namespace {

const std::vector<std::string> kTuningColumns = {
    "run_id",        "preset", "model",  "variant", "match",      "width",
    "layers",        "length", "batch",  "threads", "stateful",   "seed",
    "learning_rate", "steps",  "tokens", "seconds", "train_loss", "valid_loss",
    "bits_per_byte", "status", "reason", "dtype"};

using Row = CsvTable::value_type;

/// A command has one kind of training of each model, variant and number format.
bool is_of(const Row& row, const TextSettings& settings) {
  return row.at("model") == settings.model && row.at("variant") == settings.variant.name &&
         row.at("dtype") == dtype_name(settings.factors);
}

SeedLosses losses_of(const CsvTable& table, const TextSettings& settings) {
  SeedLosses losses;
  for (const Row& row : table) {
    if (!is_of(row, settings)) continue;
    losses[std::stod(row.at("learning_rate"))][std::stoll(row.at("seed"))] =
        row.at("status") == "ok" ? std::stod(row.at("valid_loss"))
                                 : std::numeric_limits<double>::infinity();
  }
  return losses;
}

CsvRow trial_row(const TextSettings& trial, const TextPoint& point, bool is_sound) {
  CsvRow row{{"preset", trial.preset},
             {"model", trial.model},
             {"variant", trial.variant.name},
             {"match", trial.match},
             {"width", trial.form.width},
             {"layers", trial.form.layers},
             {"length", trial.length},
             {"batch", trial.batch},
             {"stateful", trial.stateful},
             {"seed", trial.seed},
             {"learning_rate", trial.learning_rate},
             {"steps", point.step},
             {"tokens", point.tokens},
             {"seconds", point.seconds},
             {"train_loss", point.train_loss},
             {"dtype", dtype_name(trial.factors)}};
  if (is_sound) {
    row["valid_loss"] = *point.valid_loss;
    row["bits_per_byte"] = *point.bits_per_byte;
  }
  row["status"] = is_sound ? "ok" : "failed";
  if (!is_sound) row["reason"] = "the loss is not finite at step " + std::to_string(point.step);
  return row;
}

CsvRow run_trial(const TextSettings& trial, const Corpus& corpus, const ThreadTeam& team) {
  TextTraining training(trial, corpus, team);
  while (training.progress() < 1 && training.is_sound()) {
    stop_if_interrupted();
    training.step();
  }
  const TextPoint point = training.take_point();
  return trial_row(trial, point, training.is_sound() && std::isfinite(*point.valid_loss));
}

void print_trial(const Row& row) {
  std::printf("%-10s %-12s %5s %14s %9s %9.1f %11s%s%s\n", row.at("model").c_str(),
              row.at("variant").c_str(), row.at("seed").c_str(), row.at("learning_rate").c_str(),
              row.at("steps").c_str(), std::stod(row.at("seconds")),
              row.at("valid_loss").substr(0, 6).c_str(), row.at("reason").empty() ? "" : "  ",
              row.at("reason").c_str());
  std::fflush(stdout);
}

void print_best(const TextSettings& settings, const TuningScores& scores) {
  const double best = best_rate(scores);
  for (const auto& [rate, score] : scores) {
    std::printf("%-10s %-12s %14g %17.4f%s\n", settings.model.c_str(),
                settings.variant.name.c_str(), rate, score.loss, best_mark(rate, best));
  }
}

}  // namespace

TuningScores scores_of(const SeedLosses& losses, const std::vector<Index>& seeds) {
  TuningScores scores;
  for (const auto& [rate, of_seeds] : losses) {
    std::vector<TuningTrial> trials;
    for (const Index seed : seeds) {
      const auto found = of_seeds.find(seed);
      if (found == of_seeds.end()) break;
      trials.push_back({.failed = std::isinf(found->second), .loss = found->second});
    }
    if (trials.size() == seeds.size()) scores[rate] = score_of(trials);
  }
  return scores;
}

TextSettings text_trial(const TextSettings& training, double learning_rate) {
  TextSettings trial = training;
  trial.learning_rate = learning_rate;
  trial.last_learning_rate = learning_rate / 10;
  trial.validations = 1;
  return trial;
}

int tune_on_text(const std::vector<TextSettings>& trainings, const Corpus& corpus,
                 const ThreadTeam& team, const RunDirectory& directory) {
  const auto path = directory.file(kTextTuningFile);
  CsvWriter writer(path, kTuningColumns);
  std::vector<Index> seeds;
  std::vector<TextSettings> kinds;
  for (const TextSettings& training : trainings) {
    if (training.seed == trainings.front().seed) kinds.push_back(training);
    if (std::ranges::find(seeds, training.seed) == seeds.end()) seeds.push_back(training.seed);
  }
  std::printf("%-10s %-12s %5s %14s %9s %9s %11s\n", "model", "variant", "seed", "learning rate",
              "steps", "seconds", "valid loss");
  for (const TextSettings& kind : kinds) {
    for (;;) {
      const SeedLosses losses = losses_of(read_csv(path), kind);
      const std::vector<double> rates = rates_to_try(scores_of(losses, seeds));
      if (rates.empty()) break;
      for (const double rate : rates) {
        const auto of_rate = losses.find(rate);
        for (const Index seed : seeds) {
          if (of_rate != losses.end() && of_rate->second.contains(seed)) continue;
          TextSettings trial = text_trial(kind, rate);
          trial.seed = seed;
          CsvRow row = run_trial(trial, corpus, team);
          row["run_id"] = directory.run_id();
          row["threads"] = team.size();
          writer.append({row});
          print_trial(as_text(row, kTuningColumns));
        }
      }
    }
  }
  std::printf("\n%-10s %-12s %14s %17s\n", "model", "variant", "learning rate",
              "valid loss, median");
  bool any_good = false;
  for (const TextSettings& kind : kinds) {
    const TuningScores scores = scores_of(losses_of(read_csv(path), kind), seeds);
    print_best(kind, scores);
    any_good = any_good || std::isfinite(scores.at(best_rate(scores)).loss);
  }
  return any_good ? 0 : 1;
}

}  // namespace seqbench
