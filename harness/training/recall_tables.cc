#include "harness/training/recall_tables.h"

#include <algorithm>

#include "harness/base/errors.h"
#include "harness/models/registry.h"
#include "harness/tasks/task.h"
#include "harness/training/test_outcome.h"
#include "harness/training/training_settings.h"

namespace seqbench {

const std::vector<std::string> kRecallColumns = {"run_id",         "task",
                                                 "setup",          "regime",
                                                 "model",          "variant",
                                                 "train_distance", "distance",
                                                 "seq_len",        "width",
                                                 "layers",         "heads",
                                                 "parameters",     "seed",
                                                 "learning_rate",  "batch",
                                                 "steps",          "steps_to_solve",
                                                 "train_seconds",  "seconds_to_solve",
                                                 "accuracy",       "pair_accuracy",
                                                 "chance",         "loss",
                                                 "baseline_loss",  "solved",
                                                 "status",         "reason",
                                                 "schedule_steps", "pairs",
                                                 "preset",         "mixture",
                                                 "block",          "chance_uninformed",
                                                 "outcome"};

const std::vector<std::string> kLearningColumns = {
    "run_id", "task",    "setup", "regime",   "model",  "variant", "train_distance", "seed",
    "step",   "seconds", "loss",  "accuracy", "preset", "layers",  "block"};

const std::vector<std::string> kGradientColumns = {"run_id",
                                                   "model",
                                                   "variant",
                                                   "stage",
                                                   "seed",
                                                   "distance",
                                                   "gradient_norm",
                                                   "relative_gradient_norm",
                                                   "task",
                                                   "train_distance",
                                                   "setup",
                                                   "regime",
                                                   "preset",
                                                   "layers",
                                                   "log10_gradient_norm",
                                                   "block"};

const std::vector<std::string> kDecayColumns = {"run_id",
                                                "task",
                                                "setup",
                                                "regime",
                                                "preset",
                                                "model",
                                                "variant",
                                                "layers",
                                                "train_distance",
                                                "seed",
                                                "stage",
                                                "first_distance",
                                                "last_distance",
                                                "decades_per_step",
                                                "decades_low",
                                                "decades_high",
                                                "r2",
                                                "block"};

const std::vector<std::string> kGapColumns = {"run_id",   "task",      "setup",          "regime",
                                              "model",    "variant",   "train_distance", "distance",
                                              "seed",     "first_gap", "last_gap",       "answers",
                                              "accuracy", "preset",    "layers",         "block"};

const std::vector<std::string> kNewtonColumns = {
    "run_id",      "task",           "model",    "variant",
    "stage",       "train_distance", "seed",     "width",
    "steps",       "window",         "sweeps",   "sweeps_low",
    "sweeps_high", "fallback_share", "residual", "decay_decades_per_step",
    "gate_mean",   "seq_len",        "setup",    "regime",
    "preset",      "layers",         "block"};

CsvRow kind_row(const TrainingSettings& settings, const std::string& run_id) {
  return {{"run_id", run_id},
          {"task", settings.task->name},
          {"setup", settings.task->setup},
          {"regime", settings.regime()},
          {"preset", settings.preset ? settings.preset->name : ""},
          {"model", settings.model},
          {"variant", settings.variant.name},
          {"layers", settings.form.layers},
          {"block", block_name(settings.form)},
          {"seed", settings.seed}};
}

namespace {

/// The cells that tell in every file which training a row belongs to.
CsvRow identity_row(const TrainingSettings& settings, const std::string& run_id) {
  CsvRow row = kind_row(settings, run_id);
  row["train_distance"] = settings.distance;
  return row;
}

/// "8 16 32".
std::string spelled(const std::vector<Index>& distances) {
  std::vector<std::string> words;
  for (const Index distance : distances) words.push_back(std::to_string(distance));
  return join(words, " ");
}

/// All that was chosen for a training: what its repeat shares.
CsvRow settings_row(const TrainingSettings& settings, const std::string& run_id) {
  CsvRow row = identity_row(settings, run_id);
  row["mixture"] = spelled(settings.mixture);
  row["width"] = settings.form.width;
  if (model_info(settings.model).has_heads()) row["heads"] = settings.form.heads;
  row["learning_rate"] = settings.learning_rate;
  row["batch"] = settings.batch;
  row["schedule_steps"] = settings.training_steps;
  if (settings.task->pairs != nullptr) {
    row["pairs"] = settings.task->pairs(settings.task_setting());
  }
  return row;
}

/// The same, and what the task says of a test at this distance.
CsvRow test_row(const TrainingSettings& settings, Index distance, const std::string& run_id) {
  const Task& task = *settings.task;
  const TaskSetting tested = settings.task_setting(distance);
  CsvRow row = settings_row(settings, run_id);
  row["distance"] = distance;
  row["seq_len"] = task.sequence_length(tested);
  row["chance"] = task.chance(tested);
  row["baseline_loss"] = task.baseline_loss(tested);
  if (const auto chance = task.chance_uninformed()) row["chance_uninformed"] = *chance;
  return row;
}

std::vector<CsvRow> recall_rows(const TrainingSettings& settings, const TrainingResult& result,
                                const std::string& run_id) {
  std::vector<CsvRow> rows;
  for (const TestScore& test : result.tests) {
    CsvRow row = test_row(settings, test.distance, run_id);
    row["parameters"] = result.parameters;
    row["steps"] = result.steps_taken;
    row["train_seconds"] = result.train_seconds;
    if (result.steps_to_solve) {
      row["steps_to_solve"] = *result.steps_to_solve;
      row["seconds_to_solve"] = *result.seconds_to_solve;
    }
    row["accuracy"] = test.accuracy;
    if (test.pair_accuracy) row["pair_accuracy"] = *test.pair_accuracy;
    row["loss"] = test.loss;
    row["solved"] = test.solves(settings.defaults());
    if (result.failure.empty()) row["outcome"] = name_of(outcome_of(settings, test));
    row["status"] = result.failure.empty() ? "ok" : "failed";
    row["reason"] = result.failure;
    rows.push_back(row);
  }
  return rows;
}

std::vector<CsvRow> learning_rows(const TrainingSettings& settings, const TrainingResult& result,
                                  const std::string& run_id) {
  std::vector<CsvRow> rows;
  for (const LearningPoint& point : result.learning) {
    CsvRow row = identity_row(settings, run_id);
    row["step"] = point.step;
    row["seconds"] = point.seconds;
    row["loss"] = point.loss;
    row["accuracy"] = point.accuracy;
    rows.push_back(row);
  }
  return rows;
}

std::vector<CsvRow> gradient_rows(const TrainingSettings& settings, const TrainingResult& result,
                                  const std::string& run_id) {
  std::vector<CsvRow> rows;
  const auto add_stage = [&](const char* stage, const std::vector<GradientPoint>& points) {
    for (const GradientPoint& point : points) {
      CsvRow row = identity_row(settings, run_id);
      row["stage"] = stage;
      row["distance"] = point.distance;
      row["gradient_norm"] = point.norm;
      row["log10_gradient_norm"] = point.log10_norm;
      row["relative_gradient_norm"] = point.norm / points.front().norm;
      rows.push_back(row);
    }
  };
  add_stage("init", result.initial_gradients);
  add_stage("early", result.early_gradients);
  add_stage("trained", result.trained_gradients);
  return rows;
}

std::vector<CsvRow> decay_rows(const TrainingSettings& settings, const TrainingResult& result,
                               const std::string& run_id) {
  std::vector<CsvRow> rows;
  const auto add_stage = [&](const char* stage, const std::vector<GradientPoint>& points) {
    const std::optional<LineFit> fit = fit_decay(points);
    if (!fit) return;
    CsvRow row = identity_row(settings, run_id);
    row["stage"] = stage;
    row["first_distance"] = points.front().distance;
    row["last_distance"] = points.back().distance;
    row["decades_per_step"] = fit->slope;
    row["decades_low"] = fit->slope_low;
    row["decades_high"] = fit->slope_high;
    row["r2"] = fit->r2;
    rows.push_back(row);
  };
  add_stage("init", result.initial_gradients);
  add_stage("early", result.early_gradients);
  add_stage("trained", result.trained_gradients);
  return rows;
}

std::vector<CsvRow> newton_rows(const TrainingSettings& settings, const TrainingResult& result,
                                const std::string& run_id) {
  std::vector<CsvRow> rows;
  for (std::size_t i = 0; i < result.sweeps.size(); ++i) {
    const SweepPoint& point = result.sweeps[i];
    const bool first = i == 0, last = i + 1 == result.sweeps.size() && result.failure.empty();
    CsvRow row = identity_row(settings, run_id);
    row["stage"] = first ? "init" : last ? "trained" : "training";
    row["width"] = settings.form.width;
    row["steps"] = point.step;
    row["seq_len"] = point.seq_len;
    row["window"] = std::min(point.counts.window, point.seq_len);
    row["sweeps"] = point.counts.mean_sweeps();
    if (point.counts.most > 0) {
      row["sweeps_low"] = point.counts.least;
      row["sweeps_high"] = point.counts.most;
      row["residual"] = point.counts.residual;
    }
    row["fallback_share"] = point.counts.fallback_share();
    if (point.gate_mean) row["gate_mean"] = *point.gate_mean;
    const std::optional<LineFit> fit = fit_decay(first  ? result.initial_gradients
                                                 : last ? result.trained_gradients
                                                        : std::vector<GradientPoint>());
    if (fit) row["decay_decades_per_step"] = fit->slope;
    rows.push_back(row);
  }
  return rows;
}

std::vector<CsvRow> gap_rows(const TrainingSettings& settings, const TrainingResult& result,
                             const std::string& run_id) {
  std::vector<CsvRow> rows;
  for (const TestScore& test : result.tests) {
    for (const GapScore& score : test.by_gap) {
      CsvRow row = identity_row(settings, run_id);
      row["distance"] = test.distance;
      row["first_gap"] = score.first_gap;
      row["last_gap"] = score.last_gap;
      row["answers"] = score.answers;
      row["accuracy"] = score.accuracy;
      rows.push_back(row);
    }
  }
  return rows;
}

/// Throws UsageError when the row's training was run with other settings.
void check_same_settings(const TrainingSettings& settings, const CsvTable::value_type& row) {
  for (const auto& [column, cell] : settings_row(settings, row.at("run_id"))) {
    if (row.at(column) == cell.text()) continue;
    throw UsageError("--resume: " + label(settings) + " is there with " + column + " " +
                     row.at(column) + ", now " + cell.text() +
                     " is asked for; expected the same settings, or another --out");
  }
}

}  // namespace

TrainingRows finished_rows(const TrainingSettings& settings, const TrainingResult& result,
                           const std::string& run_id) {
  return {.recall = recall_rows(settings, result, run_id),
          .learning = learning_rows(settings, result, run_id),
          .gradient = gradient_rows(settings, result, run_id),
          .decay = decay_rows(settings, result, run_id),
          .gap = gap_rows(settings, result, run_id),
          .newton = newton_rows(settings, result, run_id)};
}

TrainingRows skipped_rows(const TrainingSettings& settings, const std::string& reason,
                          const std::string& run_id) {
  CsvRow row = test_row(settings, settings.distance, run_id);
  row["status"] = "skipped";
  row["reason"] = reason;
  TrainingRows rows;
  rows.recall = {row};
  return rows;
}

RecallTables::RecallTables(const RunDirectory& directory, bool measures_sweeps)
    : recall_(directory.file(kRecallFile), kRecallColumns),
      learning_(directory.file(kLearningFile), kLearningColumns),
      gradient_(directory.file(kGradientFile), kGradientColumns),
      decay_(directory.file(kDecayFile), kDecayColumns),
      gap_(directory.file(kGapFile), kGapColumns) {
  if (measures_sweeps) newton_.emplace(directory.file(kNewtonFile), kNewtonColumns);
  for (const auto& row : recall_.table.rows()) recall_rows_[identity_of(row)].push_back(row);
}

bool RecallTables::holds_finished(const TrainingSettings& settings) const {
  const auto found = recall_rows_.find(identity_of(settings));
  if (found == recall_rows_.end()) return false;
  if (newton_ && settings.measure_sweeps && !newton_->trainings.contains(found->first))
    return false;
  for (const auto& row : found->second) {
    if (row.at("status") != "ok") return false;
    check_same_settings(settings, row);
  }
  return true;
}

bool RecallTables::any_failed() const {
  return std::ranges::any_of(recall_rows_, [](const auto& training) {
    return std::ranges::any_of(training.second,
                               [](const auto& row) { return row.at("status") == "failed"; });
  });
}

void RecallTables::write(const TrainingSettings& settings, const TrainingRows& rows) {
  const Identity training = identity_of(settings);
  // recall.csv last: by its rows there a training counts as finished.
  learning_.put(training, rows.learning);
  gradient_.put(training, rows.gradient);
  decay_.put(training, rows.decay);
  gap_.put(training, rows.gap);
  if (newton_) newton_->put(training, rows.newton);
  recall_.put(training, rows.recall);
  CsvTable& kept = recall_rows_[training];
  kept.clear();
  for (const CsvRow& row : rows.recall) kept.push_back(as_text(row, kRecallColumns));
}

RecallTables::Identity RecallTables::identity_of(const TrainingSettings& settings) {
  return identity_of(as_text(identity_row(settings, ""), kRecallColumns));
}

RecallTables::Identity RecallTables::identity_of(const CsvTable::value_type& row) {
  Identity identity;
  for (const char* column : {"task", "setup", "regime", "preset", "model", "variant", "layers",
                             "block", "train_distance", "seed"}) {
    identity.push_back(row.at(column));
  }
  return identity;
}

RecallTables::Table::Table(const std::filesystem::path& path,
                           const std::vector<std::string>& columns)
    : table(path, columns) {
  for (const auto& row : table.rows()) trainings.insert(identity_of(row));
}

void RecallTables::Table::put(const Identity& training, const std::vector<CsvRow>& rows) {
  if (!trainings.contains(training)) {
    table.append(rows);
  } else {
    CsvTable all = table.rows();
    std::erase_if(all, [&](const auto& row) { return identity_of(row) == training; });
    for (const CsvRow& row : rows) all.push_back(as_text(row, table.columns()));
    table.replace(all);
  }
  trainings.insert(training);
}

}  // namespace seqbench
