// The tables that `seqbench recall` writes, and what a resumed run finds in them.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "harness/files/resumed_table.h"
#include "harness/files/run_directory.h"
#include "harness/training/training.h"
#include "harness/training/training_settings.h"

namespace seqbench {

constexpr const char* kRecallFile = "recall.csv";
constexpr const char* kLearningFile = "learning.csv";
constexpr const char* kGradientFile = "gradient.csv";
constexpr const char* kDecayFile = "decay.csv";
constexpr const char* kGapFile = "gap.csv";
constexpr const char* kNewtonFile = "newton.csv";  // with --newton alone

extern const std::vector<std::string> kRecallColumns;
extern const std::vector<std::string> kLearningColumns;
extern const std::vector<std::string> kGradientColumns;
extern const std::vector<std::string> kDecayColumns;
extern const std::vector<std::string> kGapColumns;
extern const std::vector<std::string> kNewtonColumns;

/// The cells that every table has of a training, whatever its distance is called there.
CsvRow kind_row(const TrainingSettings& settings, const std::string& run_id);

/// What one training adds to each table.
struct TrainingRows {
  std::vector<CsvRow> recall;  // one for each test
  std::vector<CsvRow> learning;
  std::vector<CsvRow> gradient;
  std::vector<CsvRow> decay;
  std::vector<CsvRow> gap;
  std::vector<CsvRow> newton;
};
TrainingRows finished_rows(const TrainingSettings& settings, const TrainingResult& result,
                           const std::string& run_id);
/// Of a training that was not run, for this reason.
TrainingRows skipped_rows(const TrainingSettings& settings, const std::string& reason,
                          const std::string& run_id);

/// The tables on disk. Rows of a training that is run again are replaced in the moment its new rows
/// are there, never before; no other row is ever dropped.
class RecallTables {
 public:
  /// Creates the files, that of the sweeps only where they are measured, or goes on with what is
  /// there. Throws FileError.
  explicit RecallTables(const RunDirectory& directory, bool measures_sweeps = false);

  /// True when the training's rows are there, and it neither failed nor was skipped. Throws
  /// UsageError when that training differed in anything that a repeat would have to share.
  bool holds_finished(const TrainingSettings& settings) const;
  /// True while a row is there that failed, of this run or an earlier one.
  bool any_failed() const;
  /// Throws FileError.
  void write(const TrainingSettings& settings, const TrainingRows& rows);

 private:
  /// A training's identity: the columns that tell its rows from those of any other.
  using Identity = std::vector<std::string>;
  static Identity identity_of(const TrainingSettings& settings);
  static Identity identity_of(const CsvTable::value_type& row);

  struct Table {
    ResumedTable table;
    std::set<Identity> trainings;  // that have rows

    Table(const std::filesystem::path& path, const std::vector<std::string>& columns);
    void put(const Identity& training, const std::vector<CsvRow>& rows);
  };

  Table recall_, learning_, gradient_, decay_, gap_;
  std::optional<Table> newton_;
  std::map<Identity, CsvTable> recall_rows_;
};

}  // namespace seqbench
