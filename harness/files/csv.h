// CSV files of a run: RFC 4180, UTF-8, one header row, numbers that read back exactly.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "harness/base/durable_file.h"

namespace seqbench {

/// One cell. An empty string is an empty cell; so is a number that is not finite.
class CsvCell {
 public:
  CsvCell() = default;
  CsvCell(const char* text) : text_(text) {}
  CsvCell(std::string text) : text_(std::move(text)) {}
  CsvCell(double value);
  CsvCell(Index value);
  CsvCell(int value) : CsvCell(static_cast<Index>(value)) {}
  CsvCell(bool value) : text_(value ? "true" : "false") {}

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// The cells of one row by column name; columns that are not named stay empty.
using CsvRow = std::map<std::string, CsvCell>;

/// A table read back: every row by column name.
using CsvTable = std::vector<std::map<std::string, std::string>>;

/// A row as it will be read back: every column, empty where the row has no cell.
CsvTable::value_type as_text(const CsvRow& row, const std::vector<std::string>& columns);

/// Appends rows to one file. The header is written when the file is created. Where nothing follows
/// it by the time that an exception ends the writer, the file is removed: it would be in the way of
/// the next try.
class CsvWriter {
 public:
  /// Opens `path` for appending, behind its last whole row: a torn one (a writer was killed) is cut
  /// off. Throws FileError; also when an existing file has other columns.
  CsvWriter(const std::filesystem::path& path, std::vector<std::string> columns);
  CsvWriter(CsvWriter&&) noexcept = default;
  CsvWriter& operator=(CsvWriter&&) noexcept = default;
  ~CsvWriter();

  /// Appends all rows at once and waits until they are on the disk. Throws FileError, and then the
  /// file holds what it held before, or the message says that a part of the rows could not be taken
  /// back; std::invalid_argument for an unknown column.
  void append(const std::vector<CsvRow>& rows);

 private:
  /// Of a file opened and not looked at yet.
  CsvWriter(std::vector<std::string> columns, AppendedFile file);

  std::vector<std::string> columns_;
  AppendedFile file_;
  bool has_no_rows_ = false;  // the header is this writer's, and all that there is
};

/// Reads a whole file. A last line without its line break is torn (a writer was killed) and is
/// dropped. Throws FileError naming file and row, also for text that is no UTF-8 and for a column
/// that is there twice.
CsvTable read_csv(const std::filesystem::path& path);

/// Replaces the file by `rows`, which have all of `columns`, in one step. Throws FileError;
/// std::invalid_argument for another column.
void rewrite_csv(const std::filesystem::path& path, const std::vector<std::string>& columns,
                 const CsvTable& rows);

}  // namespace seqbench
