#include "harness/training/training_table.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>

#include "harness/base/errors.h"
#include "harness/files/resumed_table.h"
#include "harness/tasks/task.h"
#include "harness/training/test_outcome.h"

namespace seqbench {
namespace {

using Row = CsvTable::value_type;

std::vector<std::string> identity_of(const TrainingTable& table, const Row& row) {
  std::vector<std::string> cells;
  for (const std::string& column : table.identity) cells.push_back(row.at(column));
  return cells;
}

Row known_text(const TrainingTable& table, const TrainingSettings& settings) {
  return as_text(table.known(settings), table.columns);
}

/// Throws UsageError when the row's training was run with other settings.
void check_same_settings(const TrainingSettings& settings, const Row& row) {
  for (const auto& [column, cell] : given_cells(settings)) {
    const auto found = row.find(column);
    if (found == row.end() || found->second == cell.text()) continue;
    throw UsageError("--resume: " + label(settings) + " is there with " + column + " " +
                     found->second + ", now " + cell.text() +
                     " is asked for; expected the same settings, or another --out");
  }
}

CsvRow row_of(const TrainingTable& table, const TrainingSettings& settings, const Outcome& outcome,
              const std::string& run_id) {
  CsvRow row = table.known(settings);
  row["run_id"] = run_id;
  row["chance"] = settings.task->chance(settings.task_setting());
  if (outcome.result) {
    const TrainingResult& result = *outcome.result;
    const TestScore& test = result.tests.front();
    row["parameters"] = result.parameters;
    row["accuracy"] = test.accuracy;
    row["loss"] = test.loss;
    if (result.failure.empty()) row["outcome"] = name_of(outcome_of(settings, test));
    row["status"] = result.failure.empty() ? "ok" : "failed";
    row["reason"] = result.failure;
  } else {
    row["status"] = "skipped";
    row["reason"] = outcome.skipped;
  }
  std::erase_if(row, [&](const auto& cell) {
    return std::ranges::find(table.columns, cell.first) == table.columns.end();
  });
  return row;
}

/// With four digits where it is a number with more.
std::string shortened(const std::string& text) {
  if (text.find('.') == std::string::npos) return text;
  const auto number = number_within(text, -1e300, 1e300);
  if (!number) return text;
  char formatted[32];
  std::snprintf(formatted, sizeof(formatted), "%.4g", *number);
  return formatted;
}

/// All columns but the run's name, as wide as their widest cell.
void print_table(const std::vector<std::string>& columns, const CsvTable& rows) {
  std::vector<std::string> lines(rows.size() + 1);
  for (const std::string& column : columns) {
    if (column == "run_id") continue;
    std::vector<std::string> cells{column};
    for (const Row& row : rows) cells.push_back(shortened(row.at(column)));
    const auto widest = std::ranges::max(cells, {}, [](const auto& cell) { return cell.size(); });
    for (std::size_t i = 0; i < cells.size(); ++i) {
      lines[i] += cells[i] + std::string(widest.size() - cells[i].size() + 2, ' ');
    }
  }
  for (const std::string& line : lines) {
    std::printf("%s\n", line.substr(0, line.find_last_not_of(' ') + 1).c_str());
  }
}

}  // namespace

CsvRow given_cells(const TrainingSettings& settings) {
  return {{"task", settings.task->name},
          {"setup", settings.task->setup},
          {"model", settings.model},
          {"variant", settings.variant.name},
          {"width", settings.form.width},
          {"layers", settings.form.layers},
          {"seed", settings.seed},
          {"learning_rate", settings.learning_rate},
          {"schedule_steps", settings.training_steps}};
}

std::vector<TrainingSettings> missing_from(const TrainingTable& table,
                                           const RunDirectory& directory,
                                           const std::vector<TrainingSettings>& trainings) {
  std::map<std::vector<std::string>, Row> finished;
  if (std::filesystem::exists(directory.file(table.file))) {
    for (const Row& row : read_csv(directory.file(table.file))) {
      if (row.at("status") == "ok") finished[identity_of(table, row)] = row;
    }
  }
  std::vector<TrainingSettings> missing;
  for (const TrainingSettings& settings : trainings) {
    const auto found = finished.find(identity_of(table, known_text(table, settings)));
    if (found == finished.end()) {
      missing.push_back(settings);
    } else {
      check_same_settings(settings, found->second);
    }
  }
  return missing;
}

int run_into(const TrainingTable& table, const RunDirectory& directory,
             const std::vector<TrainingSettings>& trainings, const SideBySideOptions& options) {
  ResumedTable written(directory.file(table.file), table.columns);
  written.drop([](const Row& row) { return row.at("status") != "ok"; });
  run_trainings(trainings, options, [&](const TrainingSettings& settings, const Outcome& outcome) {
    written.append({row_of(table, settings, outcome, directory.run_id())});
  });
  const CsvTable rows = written.rows();
  print_table(table.columns, rows);
  return std::ranges::any_of(rows, [](const Row& row) { return row.at("status") == "failed"; });
}

}  // namespace seqbench
