#include "harness/training/tuning.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>

#include "harness/base/statistics.h"
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

/// The cells of a row that its seeds and rates share.
std::vector<std::string> kind_of(const Row& row) {
  std::vector<std::string> cells;
  for (const std::string& column : kTuningColumns) {
    if (column == "learning_rate") break;
    if (column != "seed") cells.push_back(row.at(column));
  }
  return cells;
}

TuningTrial trial_of(const Row& row) {
  TuningTrial trial{.failed = row.at("status") != "ok"};
  if (trial.failed) return trial;
  if (!row.at("steps_to_solve").empty()) {
    trial.steps_to_solve = std::stoll(row.at("steps_to_solve"));
  }
  trial.loss = std::stod(row.at("loss"));
  return trial;
}

/// The rows of each kind and rate, kinds in the order of their first rows.
struct KindRows {
  std::vector<std::string> kind;
  std::map<double, std::vector<const Row*>> by_rate;

  TuningScores scores() const {
    TuningScores scores;
    for (const auto& [rate, rows] : by_rate) {
      std::vector<TuningTrial> seeds;
      for (const Row* row : rows) seeds.push_back(trial_of(*row));
      scores[rate] = score_of(seeds);
    }
    return scores;
  }
};

std::vector<KindRows> by_kind(const CsvTable& table) {
  std::vector<KindRows> kinds;
  for (const Row& row : table) {
    const auto kind = kind_of(row);
    auto found = std::ranges::find(kinds, kind, &KindRows::kind);
    if (found == kinds.end()) found = kinds.insert(kinds.end(), {.kind = kind, .by_rate = {}});
    found->by_rate[std::stod(row.at("learning_rate"))].push_back(&row);
  }
  return kinds;
}

/// What each kind needs next that the table does not hold yet.
std::vector<TrainingSettings> missing_trials(const std::vector<TrainingSettings>& kinds,
                                             const CsvTable& table, const std::string& run_id) {
  const std::vector<KindRows> tried = by_kind(table);
  std::vector<TrainingSettings> missing;
  for (const TrainingSettings& kind : kinds) {
    const auto cells = kind_of(as_text(compared_row(kind, run_id), kTuningColumns));
    const auto found = std::ranges::find(tried, cells, &KindRows::kind);
    KindRows rows{.kind = cells, .by_rate = {}};
    if (found != tried.end()) rows = *found;
    // A rate counts as tried with all of its seeds.
    TuningScores scores = rows.scores();
    std::erase_if(scores, [&](const auto& score) {
      return Index(rows.by_rate.at(score.first).size()) < kTuningSeeds;
    });
    for (const double rate : rates_to_try(scores)) {
      for (Index seed = kTuningSeed; seed < kTuningSeed + kTuningSeeds; ++seed) {
        const auto is_there = [&](const Row* row) {
          return row->at("seed") == std::to_string(seed);
        };
        if (std::ranges::any_of(rows.by_rate[rate], is_there)) continue;
        TrainingSettings trial = kind;
        trial.seed = seed;
        trial.learning_rate = rate;
        missing.push_back(trial);
      }
    }
  }
  return missing;
}

/// "0.98 (0.95 to 1)" of a column's numbers, or "-".
std::string median_and_range(const std::vector<const Row*>& rows, const char* column,
                             const char* format) {
  std::vector<double> numbers;
  for (const Row* row : rows) {
    if (!row->at(column).empty()) numbers.push_back(std::stod(row->at(column)));
  }
  if (numbers.empty()) return "-";
  const auto text = [format](double number) {
    char formatted[32];
    std::snprintf(formatted, sizeof(formatted), format, number);
    return std::string(formatted);
  };
  const auto [least, most] = std::ranges::minmax(numbers);
  return text(median(numbers)) + " (" + text(least) + " to " + text(most) + ")";
}

void print_best(const CsvTable& table) {
  std::printf("\n%-18s %-10s %-16s %6s %-6s %9s %14s %7s %22s %24s %26s\n", "task", "model",
              "variant", "layers", "block", "distance", "learning rate", "solved",
              "solved at, median", "accuracy, median", "loss, median");
  for (const KindRows& kind : by_kind(table)) {
    const TuningScores scores = kind.scores();
    const double best = best_rate(scores);
    for (const auto& [rate, rows] : kind.by_rate) {
      const Row& row = *rows.front();
      const std::string solved =
          std::to_string(scores.at(rate).solved) + "/" + std::to_string(rows.size());
      std::printf("%-18s %-10s %-16s %6s %-6s %9s %14s %7s %22s %24s %26s%s\n",
                  row.at("task").c_str(), row.at("model").c_str(), row.at("variant").c_str(),
                  row.at("layers").c_str(), row.at("block").c_str(), row.at("distance").c_str(),
                  row.at("learning_rate").c_str(), solved.c_str(),
                  median_and_range(rows, "steps_to_solve", "%.0f").c_str(),
                  median_and_range(rows, "accuracy", "%.3f").c_str(),
                  median_and_range(rows, "loss", "%.3g").c_str(), best_mark(rate, best));
    }
  }
}

}  // namespace

std::vector<TrainingSettings> tuning_kinds(const std::vector<TrainingSettings>& requested) {
  // Distances of each kind; a kind's first training stands for it.
  std::map<Row, std::vector<TrainingSettings>> kinds;
  std::vector<Row> order;
  for (const TrainingSettings& settings : requested) {
    if (settings.seed != requested.front().seed) continue;
    const Row kind = as_text(kind_row(settings, ""), kTuningColumns);
    if (!kinds.contains(kind)) order.push_back(kind);
    kinds[kind].push_back(settings);
  }
  std::vector<TrainingSettings> tuned;
  for (const Row& kind : order) {
    std::vector<TrainingSettings>& of_kind = kinds.at(kind);
    std::ranges::stable_sort(of_kind, {}, &TrainingSettings::distance);
    tuned.push_back(of_kind[(of_kind.size() - 1) / 2]);
    tuned.back().measure_gradients = false;
  }
  return tuned;
}

TuningScore score_of(const std::vector<TuningTrial>& seeds) {
  constexpr double kNever = std::numeric_limits<double>::infinity();
  TuningScore score;
  std::vector<double> steps, losses;
  for (const TuningTrial& trial : seeds) {
    const bool solved = !trial.failed && trial.steps_to_solve.has_value();
    score.solved += solved;
    steps.push_back(solved ? double(*trial.steps_to_solve) : kNever);
    losses.push_back(trial.failed ? kNever : trial.loss);
  }
  score.steps = median(steps);
  score.loss = median(losses);
  return score;
}

bool is_better(const TuningScore& a, const TuningScore& b) {
  if (a.solved != b.solved) return a.solved > b.solved;
  if (a.steps != b.steps) return a.steps < b.steps;
  return a.loss < b.loss;
}

double best_rate(const TuningScores& tried) {
  assert(!tried.empty());
  const auto best = std::ranges::min_element(
      tried, [](const auto& a, const auto& b) { return is_better(a.second, b.second); });
  return best->first;
}

const char* best_mark(double rate, double best) {
  if (rate != best) return "";
  const bool is_at_edge = rate == kTuningGrid.front() || rate == kTuningGrid.back();
  return is_at_edge ? "  best, the last one tried" : "  best";
}

std::vector<double> rates_to_try(const TuningScores& tried) {
  const std::vector<double> first(kTuningGrid.begin() + kFirstRate,
                                  kTuningGrid.begin() + kLastRate + 1);
  const auto is_missing = [&](double rate) { return !tried.contains(rate); };
  if (std::ranges::any_of(first, is_missing)) return first;
  const double best = best_rate(tried);
  const auto at = std::ranges::find(kTuningGrid, best);
  assert(at != kTuningGrid.end());
  if (tried.at(best).solved == 0 && std::isinf(tried.at(best).loss)) return {};  // all failed
  if (best == tried.rbegin()->first && at + 1 != kTuningGrid.end()) return {*(at + 1)};
  if (best == tried.begin()->first && at != kTuningGrid.begin()) return {*(at - 1)};
  return {};
}

int tune(const CommandLine& line, const std::vector<TrainingSettings>& requested,
         const SideBySideOptions& options) {
  RunDirectory directory(line, {kTuningFile});
  const auto path = directory.file(kTuningFile);
  CsvWriter writer(path, kTuningColumns);
  directory.record_command("recall", line);
  const std::vector<TrainingSettings> kinds = tuning_kinds(requested);
  for (;;) {
    const std::vector<TrainingSettings> missing =
        missing_trials(kinds, read_csv(path), directory.run_id());
    if (missing.empty()) break;
    run_trainings(missing, options, [&](const TrainingSettings& settings, const Outcome& outcome) {
      writer.append({trial_row(settings, outcome, directory.run_id())});
    });
  }
  const CsvTable table = read_csv(path);
  print_best(table);
  const bool failed =
      std::ranges::all_of(table, [](const Row& row) { return row.at("status") != "ok"; });
  directory.record_end(failed ? 1 : 0);
  std::printf("\n%s\n", directory.path().c_str());
  return failed ? 1 : 0;
}

}  // namespace seqbench
