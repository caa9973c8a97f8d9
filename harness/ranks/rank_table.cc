#include "harness/ranks/rank_table.h"

#include <filesystem>
#include <set>

#include "harness/timing/throughput_rows.h"
#include "harness/timing/time_estimate.h"

namespace seqbench {
namespace {

std::set<std::string> finished_cases(const RunDirectory& directory) {
  std::set<std::string> ids;
  if (!std::filesystem::exists(directory.file(kThroughputFile))) return ids;
  for (const auto& row : read_csv(directory.file(kThroughputFile))) ids.insert(row.at("case_id"));
  return ids;
}

}  // namespace

const std::vector<std::string> kRanksColumns = {
    "run_id",           "case_id",         "ranks",        "strategy",
    "threads",          "messages",        "bytes_sent",   "latency_seconds",
    "bytes_per_second", "compute_seconds", "comm_seconds", "predicted_seconds",
    "seconds",          "seconds_low",     "seconds_high", "predicted_passes"};

CsvRow rank_row(const Measurement& measurement, const RankPrediction& prediction,
                const MessageCosts& costs, const std::string& run_id) {
  const Case& one = measurement.the_case;
  const CsvRow measured = measured_cells(one, measurement.samples, 0, {});
  CsvRow row = {{"run_id", run_id},
                {"case_id", one.id()},
                {"ranks", one.ranks},
                {"strategy", one.strategy},
                {"threads", one.threads}};
  for (const char* column :
       {"bytes_sent", "comm_seconds", "seconds", "seconds_low", "seconds_high"}) {
    row[column] = measured.at(column);
  }
  if (costs.is_known()) {
    row["latency_seconds"] = costs.latency_seconds();
    row["bytes_per_second"] = costs.bytes_per_second();
  }
  if (prediction.passes > 0) {
    row["messages"] = prediction.messages;
    row["compute_seconds"] = prediction.compute_seconds;
    row["predicted_seconds"] = prediction.seconds;
    row["predicted_passes"] = prediction.passes;
  }
  return row;
}

RankTable::RankTable(const RunDirectory& directory)
    : table_(directory.file(kRanksFile), kRanksColumns), run_id_(directory.run_id()) {
  const std::set<std::string> finished = finished_cases(directory);
  table_.drop([&](const auto& row) { return !finished.contains(row.at("case_id")); });
}

void RankTable::add(const std::vector<Measurement>& group, RankLeader& leader) {
  std::set<std::string> ids;
  std::vector<CsvRow> rows;
  for (const Measurement& one : group) {
    ids.insert(one.the_case.id());
    if (one.samples.empty()) continue;
    rows.push_back(rank_row(one, leader.prediction(one.the_case), leader.message_costs(), run_id_));
  }
  table_.drop([&](const auto& row) { return ids.contains(row.at("case_id")); });
  if (!rows.empty()) table_.append(rows);
}

}  // namespace seqbench
