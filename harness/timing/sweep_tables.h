// The tables of a sweep on disk, throughput.csv and samples.csv, whatever stops the program.
//
// A sample is on disk when it is taken. A group counts as finished by its rows in throughput.csv,
// which are one append behind all its samples. So samples without a row are those of a group that
// was cut off: they are dropped, and the group is taken anew.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "harness/files/csv.h"
#include "harness/files/resumed_table.h"
#include "harness/files/run_directory.h"
#include "harness/timing/case.h"

namespace seqbench {

class SweepTables {
 public:
  /// Creates the files, or takes those that are there and drops samples without a row. Throws
  /// FileError, also when a file has other columns.
  explicit SweepTables(const RunDirectory& directory);

  /// True when every case of the group has a row and none failed.
  bool holds_finished(const CaseGroup& group) const;

  /// Drops what is there of a group that is not finished. Throws FileError.
  void begin(const CaseGroup& group);
  /// Returns when the sample is on the disk. Throws FileError.
  void add_sample(const CsvRow& sample);
  /// Adds the rows of a group that was begun, after all its samples. Returns when they are on the
  /// disk. Throws FileError.
  void finish(const std::vector<CsvRow>& rows);

 private:
  ResumedTable throughput_, samples_;
  std::map<std::string, std::string> status_;  // of each row, by case_id
};

}  // namespace seqbench
