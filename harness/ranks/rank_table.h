// ranks.csv: of each case over ranks, the time that its ranks' own computing and their messages
// predict, beside the measured one.
#pragma once

#include <string>
#include <vector>

#include "harness/files/resumed_table.h"
#include "harness/files/run_directory.h"
#include "harness/ranks/rank_leader.h"

namespace seqbench {

constexpr const char* kRanksFile = "ranks.csv";

extern const std::vector<std::string> kRanksColumns;

/// The row of a measured case.
CsvRow rank_row(const Measurement& measurement, const RankPrediction& prediction,
                const MessageCosts& costs, const std::string& run_id);

/// The file of a run, which may be resumed. Rows of a group are written before those of
/// throughput.csv, which make it finished: what has no row there is dropped.
class RankTable {
 public:
  /// Throws FileError.
  explicit RankTable(const RunDirectory& directory);

  /// Rows of the measured cases of a group, in the place of earlier ones. Throws FileError.
  void add(const std::vector<Measurement>& group, RankLeader& leader);

 private:
  ResumedTable table_;
  std::string run_id_;
};

}  // namespace seqbench
