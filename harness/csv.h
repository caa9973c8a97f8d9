// CSV files of a run: RFC 4180, UTF-8, one header row, numbers that read back exactly.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "core/tensor.h"

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

/// Appends rows to one file. The header is written when the file is created.
class CsvWriter {
 public:
  /// Opens `path` for appending. Throws FileError; also when an existing file has other columns.
  CsvWriter(std::filesystem::path path, std::vector<std::string> columns);
  CsvWriter(CsvWriter&&) noexcept;
  CsvWriter& operator=(CsvWriter&&) = delete;
  ~CsvWriter();

  /// Appends all rows with one write and waits until they are on the disk. Throws FileError, and
  /// then the file holds what it held before; std::invalid_argument for an unknown column.
  void append(const std::vector<CsvRow>& rows);

 private:
  off_t size_in_bytes() const;
  void write_durably(const std::string& text);

  std::filesystem::path path_;
  std::vector<std::string> columns_;
  int file_ = -1;
};

/// Reads a whole file. A last line without its line break is torn (a writer was killed) and is
/// dropped. Throws FileError naming file and line.
CsvTable read_csv(const std::filesystem::path& path);

/// Replaces the file by `rows` under `columns`, all at once (written beside it, then renamed).
void rewrite_csv(const std::filesystem::path& path, const std::vector<std::string>& columns,
                 const CsvTable& rows);

}  // namespace seqbench
