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

}  // namespace seqbench
