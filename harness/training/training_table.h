// Trainings of which each is one row of one file: what `recall --frontier` and `recall --ablate`
// write in place of recall.csv and its like.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "harness/base/command_line.h"
#include "harness/files/csv.h"
#include "harness/files/run_directory.h"
#include "harness/training/training_run.h"
#include "harness/training/training_settings.h"

namespace seqbench {

struct TrainingTable {
  std::string file;
  std::vector<std::string> columns;
  std::vector<std::string> identity;  // of those: what tells one training from the others
  /// The cells that are known before a training: all but those of its end. Columns that the file
  /// does not have are left out.
  std::function<CsvRow(const TrainingSettings&)> known;
};

/// Where a training is at: what it was given, for both tables.
CsvRow given_cells(const TrainingSettings& settings);

/// Those of the trainings without a row of status `ok` in the folder's file. Throws UsageError
/// where one has a row with other known cells.
std::vector<TrainingSettings> missing_from(const TrainingTable& table,
                                           const RunDirectory& directory,
                                           const std::vector<TrainingSettings>& trainings);

/// Runs the trainings, appends the row of each as it ends, with the columns `run_id`, `parameters`,
/// `chance`, `accuracy`, `loss`, `outcome`, `status` and `reason` as far as the file has them, and
/// prints all rows of the file. Rows of another status than `ok` are dropped first. Returns 1 where
/// a row is `failed`, else 0. Throws like run_trainings().
int run_into(const TrainingTable& table, const RunDirectory& directory,
             const std::vector<TrainingSettings>& trainings, const SideBySideOptions& options);

}  // namespace seqbench
