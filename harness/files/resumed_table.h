// A CSV file of a run that may be resumed: rows are appended, and those of what was cut off are
// dropped or replaced.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "harness/files/csv.h"

namespace seqbench {

class ResumedTable {
 public:
  /// Throws like CsvWriter's constructor.
  ResumedTable(std::filesystem::path path, std::vector<std::string> columns);

  const std::vector<std::string>& columns() const { return columns_; }
  /// The file's rows. Throws FileError.
  CsvTable rows() const { return read_csv(path_); }
  /// Drops rows, in one step. Throws FileError.
  void drop(const std::function<bool(const CsvTable::value_type&)>& is_dropped);
  /// Puts `rows` in the place of all that is there. Throws like rewrite_csv().
  void replace(const CsvTable& rows);
  /// Throws like CsvWriter::append().
  void append(const std::vector<CsvRow>& rows) { writer_.append(rows); }

 private:
  std::filesystem::path path_;
  std::vector<std::string> columns_;
  CsvWriter writer_;
};

}  // namespace seqbench
