#include "harness/training/tuning.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "harness/files/csv.h"
#include "harness/files/run_directory.h"
#include "harness/training/recall_tables.h"
#include "harness/training/training.h"
#include "harness/training/training_settings.h"

namespace seqbench {
namespace {

const std::vector<std::string> kTuningColumns = {
    "run_id",   "task",           "setup",         "regime", "preset",         "model",
    "variant",  "layers",         "block",         "width",  "distance",       "seed",
    "batch",    "schedule_steps", "learning_rate", "steps",  "steps_to_solve", "train_seconds",
    "accuracy", "loss",           "status",        "reason"};

/// What the rates are compared for.
CsvRow compared_row(const TrainingSettings& settings, const std::string& run_id) {
  CsvRow row = kind_row(settings, run_id);
  row["width"] = settings.form.width;
  row["distance"] = settings.distance;
  row["batch"] = settings.batch;
  row["schedule_steps"] = settings.training_steps;
  return row;
}

CsvRow trial_row(const TrainingSettings& settings, const Outcome& outcome,
                 const std::string& run_id) {
  CsvRow row = compared_row(settings, run_id);
  row["learning_rate"] = settings.learning_rate;
  if (!outcome.result) {
    row["status"] = "skipped";
    row["reason"] = outcome.skipped;
    return row;
  }
  const TrainingResult& result = *outcome.result;
  row["steps"] = result.steps_taken;
  if (result.steps_to_solve) row["steps_to_solve"] = *result.steps_to_solve;
  row["train_seconds"] = result.train_seconds;
  row["accuracy"] = result.tests.front().accuracy;
  row["loss"] = result.tests.front().loss;
  row["status"] = result.failure.empty() ? "ok" : "failed";
  row["reason"] = result.failure;
  return row;
}

using Row = CsvTable::value_type;

/// The cells of a row that are a trial's identity.
std::vector<std::string> identity(const Row& row, bool with_rate) {
  std::vector<std::string> cells;
  for (const std::string& column : kTuningColumns) {
    if (column == "learning_rate") break;
    cells.push_back(row.at(column));
  }
  if (with_rate) cells.push_back(row.at("learning_rate"));
  return cells;
}

TuningScore score_of(const Row& row) {
  TuningScore score{.failed = row.at("status") != "ok"};
  if (score.failed) return score;
  if (!row.at("steps_to_solve").empty()) {
    score.steps_to_solve = std::stoll(row.at("steps_to_solve"));
  }
  score.loss = std::stod(row.at("loss"));
  return score;
}

void print_best(const CsvTable& table) {
  std::map<std::vector<std::string>, const Row*> best;
  for (const Row& row : table) {
    const Row*& kept = best[identity(row, false)];
    if (kept == nullptr || is_better(score_of(row), score_of(*kept))) kept = &row;
  }
  std::printf("\n%-18s %-10s %-16s %6s %9s %14s %10s %10s %10s\n", "task", "model", "variant",
              "layers", "distance", "learning rate", "solved at", "accuracy", "loss");
  for (const Row& row : table) {
    const bool chosen = best.at(identity(row, false)) == &row;
    std::printf("%-18s %-10s %-16s %6s %9s %14s %10s %10.6s %10.8s%s\n", row.at("task").c_str(),
                row.at("model").c_str(), row.at("variant").c_str(), row.at("layers").c_str(),
                row.at("distance").c_str(), row.at("learning_rate").c_str(),
                row.at("steps_to_solve").empty() ? "-" : row.at("steps_to_solve").c_str(),
                row.at("accuracy").c_str(), row.at("loss").c_str(), chosen ? "  best" : "");
  }
}

}  // namespace

std::vector<TrainingSettings> tuning_trials(const std::vector<TrainingSettings>& requested) {
  // Distances of each kind; a kind's first training stands for it.
  std::map<Row, std::vector<TrainingSettings>> kinds;
  std::vector<Row> order;
  for (const TrainingSettings& settings : requested) {
    if (settings.seed != requested.front().seed) continue;
    const Row kind = as_text(kind_row(settings, ""), kTuningColumns);
    if (!kinds.contains(kind)) order.push_back(kind);
    kinds[kind].push_back(settings);
  }
  std::vector<TrainingSettings> trials;
  for (const Row& kind : order) {
    std::vector<TrainingSettings>& of_kind = kinds.at(kind);
    std::ranges::stable_sort(of_kind, {}, &TrainingSettings::distance);
    TrainingSettings trial = of_kind[(of_kind.size() - 1) / 2];
    trial.seed = kTuningSeed;
    trial.measure_gradients = false;
    for (const double rate : kTuningRates) {
      trial.learning_rate = rate;
      trials.push_back(trial);
    }
  }
  return trials;
}

bool is_better(const TuningScore& a, const TuningScore& b) {
  if (a.failed || b.failed) return b.failed && !a.failed;
  if (a.steps_to_solve == b.steps_to_solve) return a.loss < b.loss;
  if (a.steps_to_solve && b.steps_to_solve) return *a.steps_to_solve < *b.steps_to_solve;
  return a.steps_to_solve.has_value();
}

int tune(const CommandLine& line, const std::vector<TrainingSettings>& requested,
         const SideBySideOptions& options) {
  RunDirectory directory(line, {kTuningFile});
  const auto path = directory.file(kTuningFile);
  CsvWriter writer(path, kTuningColumns);
  std::vector<std::vector<std::string>> done;
  for (const Row& row : read_csv(path)) done.push_back(identity(row, true));
  std::vector<TrainingSettings> missing;
  for (const TrainingSettings& trial : tuning_trials(requested)) {
    CsvRow row = compared_row(trial, directory.run_id());
    row["learning_rate"] = trial.learning_rate;
    const auto sought = identity(as_text(row, kTuningColumns), true);
    if (std::ranges::find(done, sought) == done.end()) missing.push_back(trial);
  }
  directory.record_command("recall", line);
  run_trainings(missing, options, [&](const TrainingSettings& settings, const Outcome& outcome) {
    writer.append({trial_row(settings, outcome, directory.run_id())});
  });
  const CsvTable table = read_csv(path);
  print_best(table);
  const bool failed =
      std::ranges::all_of(table, [](const Row& row) { return row.at("status") != "ok"; });
  directory.record_end(failed ? 1 : 0);
  std::printf("\n%s\n", directory.path().c_str());
  return failed ? 1 : 0;
}

}  // namespace seqbench
