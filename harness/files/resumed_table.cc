#include "harness/files/resumed_table.h"

#include <utility>

namespace seqbench {

ResumedTable::ResumedTable(std::filesystem::path path, std::vector<std::string> columns)
    : path_(std::move(path)), columns_(std::move(columns)), writer_(path_, columns_) {}

void ResumedTable::drop(const std::function<bool(const CsvTable::value_type&)>& is_dropped) {
  CsvTable kept = rows();
  if (std::erase_if(kept, is_dropped) > 0) replace(kept);
}

void ResumedTable::replace(const CsvTable& rows) {
  rewrite_csv(path_, columns_, rows);
  writer_ = CsvWriter(path_, columns_);  // the old one's file is no longer in the folder
}

ResumedCells::ResumedCells(ResumedTable cells, ResumedTable details, std::vector<std::string> key)
    : cells_(std::move(cells)), details_(std::move(details)), key_(std::move(key)) {
  cells_.drop([](const auto& row) { return row.at("status") == "failed"; });
  for (const auto& row : cells_.rows()) finished_.insert(key_of(row));
  details_.drop([&](const auto& row) { return !finished_.contains(key_of(row)); });
}

bool ResumedCells::holds(const CsvRow& cell) const {
  return finished_.contains(key_of(as_text(cell, key_)));
}

void ResumedCells::add(const CsvRow& cell, const std::vector<CsvRow>& details) {
  if (!details.empty()) details_.append(details);
  cells_.append({cell});
}

std::vector<std::string> ResumedCells::key_of(const CsvTable::value_type& row) const {
  std::vector<std::string> key;
  for (const std::string& column : key_) key.push_back(row.at(column));
  return key;
}

}  // namespace seqbench
