#include "harness/timing/sweep_tables.h"

#include <algorithm>

#include "harness/timing/throughput_rows.h"

namespace seqbench {

SweepTables::SweepTables(const RunDirectory& directory)
    : throughput_(directory.file(kThroughputFile), kThroughputColumns),
      samples_(directory.file(kSamplesFile), kSamplesColumns) {
  for (const CsvTable::value_type& row : throughput_.rows()) {
    status_[row.at("case_id")] = row.at("status");
  }
  drop_samples_without_row();
}

bool SweepTables::holds_finished(const CaseGroup& group) const {
  return std::ranges::all_of(group.cases, [&](const Case& one) {
    const auto row = status_.find(one.id());
    return row != status_.end() && row->second != "failed";
  });
}

void SweepTables::begin(const CaseGroup& group) {
  const std::size_t rows_before = status_.size();
  for (const Case& one : group.cases) status_.erase(one.id());
  if (status_.size() == rows_before) return;
  // Rows first: samples without a row are dropped when the program is stopped between the two.
  throughput_.drop([&](const auto& row) { return !status_.contains(row.at("case_id")); });
  drop_samples_without_row();
}

void SweepTables::add_sample(const CsvRow& sample) { samples_.append({sample}); }

void SweepTables::finish(const std::vector<CsvRow>& rows) {
  throughput_.append(rows);
  for (const CsvRow& row : rows) status_[row.at("case_id").text()] = row.at("status").text();
}

void SweepTables::drop_samples_without_row() {
  samples_.drop([&](const auto& row) { return !status_.contains(row.at("case_id")); });
}

}  // namespace seqbench
