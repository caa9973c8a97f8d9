#include "harness/csv.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <utility>

#include "harness/errors.h"

namespace seqbench {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what) {
  throw FileError(path.string() + ": " + what + ": " + std::strerror(errno));
}

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

/// Splits RFC 4180 text into records of fields; a record that the text ends in the middle of is
/// dropped.
std::vector<std::vector<std::string>> parse_records(const std::string& text) {
  std::vector<std::vector<std::string>> records;
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
      records.push_back(std::exchange(record, {}));
    } else if (c != '\r') {
      field += c;
    }
  }
  return records;
}

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(path, "cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

CsvCell::CsvCell(double value) {
  if (!std::isfinite(value)) return;
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  text_.assign(buffer, result.ptr);
}

CsvCell::CsvCell(Index value) : text_(std::to_string(value)) {}

CsvWriter::CsvWriter(std::filesystem::path path, std::vector<std::string> columns)
    : path_(std::move(path)), columns_(std::move(columns)) {
  file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file_ < 0) fail(path_, "cannot be opened for writing");
  const std::string header = header_line(columns_);
  if (size_in_bytes() == 0) {
    write_durably(header);
    return;
  }
  std::string found(header.size(), '\0');
  const ssize_t count = ::pread(file_, found.data(), found.size(), 0);
  if (count < 0) fail(path_, "cannot be read");
  if (found != header) {
    ::close(std::exchange(file_, -1));
    throw FileError(path_.string() + ": has other columns than this version writes");
  }
}

CsvWriter::CsvWriter(CsvWriter&& other) noexcept
    : path_(std::move(other.path_)),
      columns_(std::move(other.columns_)),
      file_(std::exchange(other.file_, -1)) {}

CsvWriter::~CsvWriter() {
  if (file_ >= 0) ::close(file_);
}

void CsvWriter::append(const std::vector<CsvRow>& rows) {
  std::string text;
  for (const CsvRow& row : rows) {
    for (const auto& [name, cell] : row) {
      if (std::find(columns_.begin(), columns_.end(), name) == columns_.end()) {
        throw std::invalid_argument(path_.string() + " has no column " + name);
      }
    }
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const auto cell = row.find(columns_[i]);
      if (i > 0) text += ',';
      if (cell != row.end()) text += quoted(cell->second.text());
    }
    text += "\r\n";
  }
  if (!text.empty()) write_durably(text);
}

off_t CsvWriter::size_in_bytes() const {
  struct stat status {};
  if (::fstat(file_, &status) != 0) fail(path_, "cannot be examined");
  return status.st_size;
}

void CsvWriter::write_durably(const std::string& text) {
  const off_t size_before = size_in_bytes();
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::write(file_, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const int cause = errno;
      // Take back the part of a row that did get written.
      if (::ftruncate(file_, size_before) != 0) errno = cause;
      errno = cause;
      fail(path_, "cannot be written");
    }
    done += static_cast<std::size_t>(count);
  }
  if (::fdatasync(file_) != 0) fail(path_, "cannot be flushed to the disk");
}

CsvTable read_csv(const std::filesystem::path& path) {
  const auto records = parse_records(read_text(path));
  CsvTable table;
  if (records.empty()) return table;
  const std::vector<std::string>& columns = records.front();
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
  const std::filesystem::path fresh = path.string() + ".new";
  std::filesystem::remove(fresh);
  {
    CsvWriter writer(fresh, columns);
    std::vector<CsvRow> cells;
    for (const auto& row : rows) {
      CsvRow& line = cells.emplace_back();
      for (const auto& [name, text] : row) line[name] = CsvCell(text);
    }
    writer.append(cells);
  }
  std::error_code error;
  std::filesystem::rename(fresh, path, error);
  if (error) throw FileError(path.string() + ": cannot be replaced: " + error.message());
}

}  // namespace seqbench
