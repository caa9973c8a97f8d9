// What rank 0 of a sweep does besides (rank_member.h): it measures as a process alone does
// (harness/timing/measurement.h), but that checking and repeating a case are orders to all ranks.
//
// A case is checked as one of a process alone: the ranks' results are put together on rank 0 and
// compared with its reference within the same bounds. That all ranks have the same gradients, bit
// for bit, is checked besides.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "harness/base/recently_used.h"
#include "harness/ranks/rank_member.h"
#include "harness/ranks/replay.h"
#include "harness/timing/measurement.h"
#include "harness/timing/slow_periods.h"

namespace seqbench {

/// What passes of each rank alone say of a case.
struct RankPrediction {
  double compute_seconds = 0;  // of the rank that computes longest
  double seconds = 0;          // of a pass of all, with what its messages cost
  double messages = 0;         // of a pass, sent by all ranks
  Index passes = 0;            // that it rests on, of each rank; 0: nothing is known
};

class RankLeader {
 public:
  /// `member` is rank 0's, and outlives it.
  RankLeader(RankMember& member, const RankOptions& options);
  /// Tells the other ranks that there are no more orders, unless they cannot be reached.
  ~RankLeader();
  RankLeader(RankLeader&&) = delete;

  /// What a sweep needs; this must outlive it.
  OtherProcesses as_other_processes();

  /// What messages cost; probed when first asked for.
  const MessageCosts& message_costs();

  /// Of a case that was repeated.
  RankPrediction prediction(const Case& one);

 private:
  struct Held {
    std::string id;
    double bytes;  // of the rank that holds most
  };

  std::vector<nlohmann::ordered_json> ask(const nlohmann::ordered_json& order);
  std::vector<nlohmann::ordered_json> ask(const std::string& what, const Case& one);
  Preparation prepare(const Case& one, const PrepareOptions& options);
  RemoteRepetition repeat(const RemoteRequest& request);
  RemoteRepetition repeat_passes(const Case& one, Index passes);
  bool is_held(const Case& one);
  /// Has it allocated and run once, others released where memory is short. Its status and reason
  /// say why it could not be.
  Preparation hold(const Case& one);
  bool allocate(const Case& one);
  void release(const Held& held);
  void release_all();
  std::string difference(const Case& one, const PrepareOptions& options);
  void take_trace(const Case& one);

  RankMember& member_;
  RankOptions options_;
  bool is_lost_ = false;  // the others wait for what this rank cannot do
  RecentlyUsed<Held> held_;
  SlowPeriods slow_periods_;
  MessageCosts costs_;
  std::map<std::string, std::vector<std::vector<RankTrace>>> traces_;  // by case id, pass, rank
};

}  // namespace seqbench
