#include "harness/timing/sweep_tables.h"

#include <algorithm>
#include <set>

#include "harness/timing/throughput_rows.h"

namespace seqbench {

SweepTables::SweepTables(const RunDirectory& directory)
    : throughput_(directory.file(kThroughputFile), kThroughputColumns),
      samples_(directory.file(kSamplesFile), kSamplesColumns) {
  for (const CsvTable::value_type& row : throughput_.rows()) {
    status_[row.at("case_id")] = row.at("status");
  }
  samples_.drop([&](const auto& row) { return !status_.contains(row.at("case_id")); });
}

bool SweepTables::holds_finished(const CaseGroup& group) const {
  return std::ranges::all_of(group.cases, [&](const Case& one) {
    const auto row = status_.find(one.id());
    return row != status_.end() && row->second != "failed";
  });
}

void SweepTables::begin(const CaseGroup& group) {
  std::set<std::string> dropped;
  for (const Case& one : group.cases) {
    if (status_.erase(one.id()) > 0) dropped.insert(one.id());
  }
  if (dropped.empty()) return;
  const auto is_dropped = [&](const auto& row) { return dropped.contains(row.at("case_id")); };
  // Rows first: samples without a row are dropped when the program is stopped between the two.
  throughput_.drop(is_dropped);
  samples_.drop(is_dropped);
}

void SweepTables::add_sample(const CsvRow& sample) { samples_.append({sample}); }

void SweepTables::finish(const std::vector<CsvRow>& rows) {
  throughput_.append(rows);
  for (const CsvRow& row : rows) status_[row.at("case_id").text()] = row.at("status").text();
}

}  // namespace seqbench
