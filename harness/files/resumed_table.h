// A CSV file of a run that may be resumed: rows are appended, and those of what was cut off are
// dropped or replaced.
#pragma once

#include <filesystem>
#include <functional>
#include <set>
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

/// Two such files: a row for each cell, and the details that it follows from. A cell is finished by
/// its row, which is appended behind its details; one that failed is taken anew.
class ResumedCells {
 public:
  /// Drops the rows of cells that failed, and details of what is not finished. `key` tells cells
  /// apart, in both files. Throws as ResumedTable does.
  ResumedCells(ResumedTable cells, ResumedTable details, std::vector<std::string> key);

  /// Whether the cell with these cells of its key is finished.
  bool holds(const CsvRow& cell) const;
  /// Makes it finished. Throws as CsvWriter::append() does.
  void add(const CsvRow& cell, const std::vector<CsvRow>& details);
  /// All there are. Throws FileError.
  CsvTable details() const { return details_.rows(); }

 private:
  std::vector<std::string> key_of(const CsvTable::value_type& row) const;

  ResumedTable cells_, details_;
  std::vector<std::string> key_;
  std::set<std::vector<std::string>> finished_;
};

}  // namespace seqbench
