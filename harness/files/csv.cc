#include "harness/files/csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <exception>
#include <set>
#include <stdexcept>
#include <utility>

#include "harness/base/errors.h"
#include "harness/base/utf8.h"

namespace seqbench {
namespace {

std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string result = "\"";
  for (const char c : text) result += c == '"' ? std::string("\"\"") : std::string(1, c);
  return result + "\"";
}

std::string header_line(const std::vector<std::string>& columns) {
  std::string line;
  for (const std::string& column : columns) line += (line.empty() ? "" : ",") + column;
  return line + "\r\n";
}

/// Throws std::invalid_argument when a cell of the row has none of the columns.
template <typename Row>
void check_columns(const Row& row, const std::vector<std::string>& columns) {
  for (const auto& [name, cell] : row) {
    if (std::ranges::find(columns, name) == columns.end()) {
      throw std::invalid_argument("there is no column " + name + " among " + header_line(columns));
    }
  }
}

/// The row has every column.
std::string row_line(const CsvTable::value_type& row, const std::vector<std::string>& columns) {
  std::string line;
  for (const std::string& column : columns) {
    if (&column != &columns.front()) line += ',';
    line += quoted(row.at(column));
  }
  return line + "\r\n";
}

/// RFC 4180 text as records of fields. What follows the last whole record is left out.
struct ParsedText {
  std::vector<std::vector<std::string>> records;
  std::size_t bytes = 0;  // of the whole records
};

ParsedText parse(const std::string& text) {
  ParsedText parsed;
  std::vector<std::string> record;
  std::string field;
  bool inside_quotes = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (inside_quotes) {
      if (c != '"') {
        field += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        field += '"';
        ++i;
      } else {
        inside_quotes = false;
      }
    } else if (c == '"') {
      inside_quotes = true;
    } else if (c == ',') {
      record.push_back(std::exchange(field, ""));
    } else if (c == '\n') {
      record.push_back(std::exchange(field, ""));
      parsed.records.push_back(std::exchange(record, {}));
      parsed.bytes = i + 1;
    } else if (c != '\r') {
      field += c;
    }
  }
  return parsed;
}

}  // namespace

CsvCell::CsvCell(double value) {
  if (!std::isfinite(value)) return;
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  text_.assign(buffer, result.ptr);
}

CsvCell::CsvCell(Index value) : text_(std::to_string(value)) {}

CsvWriter::CsvWriter(std::vector<std::string> columns, AppendedFile file)
    : columns_(std::move(columns)), file_(std::move(file)) {}

// Delegates, so that what is thrown here ends a whole writer.
CsvWriter::CsvWriter(const std::filesystem::path& path, std::vector<std::string> columns)
    : CsvWriter(std::move(columns), AppendedFile(path)) {
  const std::string header = header_line(columns_);
  if (!file_.is_empty()) {
    const std::string text = read_file(path);
    if (!text.starts_with(header) && !header.starts_with(text)) {
      throw FileError(path.string() + ": has other columns than this version writes");
    }
    const std::size_t whole = parse(text).bytes;
    if (whole < text.size()) file_.cut_to(whole);
  }
  if (!file_.is_empty()) return;
  has_no_rows_ = true;
  file_.append(header);
}

CsvWriter::~CsvWriter() {
  if (has_no_rows_ && std::uncaught_exceptions() > 0) file_.remove();
}

void CsvWriter::append(const std::vector<CsvRow>& rows) {
  std::string text;
  for (const CsvRow& row : rows) {
    check_columns(row, columns_);
    text += row_line(as_text(row, columns_), columns_);
  }
  if (text.empty()) return;
  file_.append(text);
  has_no_rows_ = false;
}

CsvTable::value_type as_text(const CsvRow& row, const std::vector<std::string>& columns) {
  CsvTable::value_type text;
  for (const std::string& column : columns) {
    const auto cell = row.find(column);
    text[column] = cell == row.end() ? "" : cell->second.text();
  }
  return text;
}

CsvTable read_csv(const std::filesystem::path& path) {
  const auto records = parse(read_file(path)).records;
  CsvTable table;
  if (records.empty()) return table;
  for (std::size_t line = 0; line < records.size(); ++line) {
    for (const std::string& field : records[line]) {
      if (is_utf8(field)) continue;
      throw FileError(path.string() + ": row " + std::to_string(line + 1) + " has '" + field +
                      "'; expected text in UTF-8");
    }
  }
  const std::vector<std::string>& columns = records.front();
  const std::set<std::string> distinct(columns.begin(), columns.end());
  for (const std::string& column : distinct) {
    if (std::ranges::count(columns, column) == 1) continue;
    throw FileError(path.string() + ": has the column '" + column + "' twice; expected it once");
  }
  for (std::size_t line = 1; line < records.size(); ++line) {
    if (records[line].size() != columns.size()) {
      throw FileError(path.string() + ": row " + std::to_string(line + 1) + " has " +
                      std::to_string(records[line].size()) + " fields, the header has " +
                      std::to_string(columns.size()));
    }
    std::map<std::string, std::string> row;
    for (std::size_t i = 0; i < columns.size(); ++i) row[columns[i]] = records[line][i];
    table.push_back(std::move(row));
  }
  return table;
}

void rewrite_csv(const std::filesystem::path& path, const std::vector<std::string>& columns,
                 const CsvTable& rows) {
  std::string text = header_line(columns);
  for (const CsvTable::value_type& row : rows) {
    check_columns(row, columns);
    text += row_line(row, columns);
  }
  replace_file(path, text);
}

}  // namespace seqbench
