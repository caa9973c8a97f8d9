// What every rank of a sweep does: it follows rank 0's orders (rank_leader.h), of which rank 0
// itself carries out its part too. Orders and answers are JSON texts; they pass between what is
// timed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "harness/machine/memory.h"
#include "harness/ranks/rank_workload.h"
#include "harness/ranks/replay.h"

namespace seqbench {

struct RankOptions {
  std::uint64_t seed = 1;
  double min_seconds = 0.02;      // of a repetition
  double memory_limit_bytes = 0;  // of this rank
};

class RankMember {
 public:
  /// `cases` are the same on all ranks. `ranks` and `cases` outlive it.
  RankMember(Communicator& ranks, const std::vector<Case>& cases, const RankOptions& options);

  /// Follows orders until rank 0 says that there are no more. For the other ranks.
  void follow();

  /// Carries out an order together with all ranks; returns this rank's answer.
  ///
  ///   {"do": "size", "case": ID}      makes the layer: {"bytes", "limit_bytes"}
  ///   "allocate"                      {"batch", "steps"}, its share, or {"is_refused": true}
  ///   "warm"                          a first pass: {"seconds", "peak_bytes"}
  ///   "forward"                       rank 0 hands out the x of check_tensors(), and collects y
  ///   "backward"                      the same with dy and dx: {"gradients"}, a sum of their bits
  ///   "draw"                          dy is as it was at first
  ///   "repeat", "passes": N           passes between two probes: {"sample", "comm_seconds",
  ///                                   "bytes_sent"}, the last two of one pass
  ///   "trace"                         a pass of each rank alone: {"trace"}
  ///   "release"                       frees what the case holds
  ///   "probe", without a case         messages between ranks: {"alone", "shift"}, of rank 0
  nlohmann::ordered_json act(const nlohmann::ordered_json& order);

  /// Rank 0's whole tensors [B, T, D], and what each rank has of them.
  struct CheckTensors {
    SequenceView<const float> x, dy;
    SequenceView<float> y, dx;
    std::vector<RankShare> shares;
  };
  CheckTensors& check_tensors() { return check_; }
  /// Of a case that is held.
  RankWorkload& workload(const std::string& id) { return *held_.at(id).workload; }
  Communicator& ranks() { return ranks_; }

 private:
  struct Held {
    std::unique_ptr<RankWorkload> workload;
    std::unique_ptr<MemoryGrowth> growth;  // from before it was allocated
  };

  nlohmann::ordered_json size(const std::string& id);
  nlohmann::ordered_json allocate(Held& held);
  nlohmann::ordered_json warm(Held& held);
  nlohmann::ordered_json forward(RankWorkload& workload);
  nlohmann::ordered_json backward(RankWorkload& workload);
  nlohmann::ordered_json repeat(RankWorkload& workload, Index passes);
  nlohmann::ordered_json probe();
  void hand_out(SequenceView<const float> whole, Tensor<float>& own);
  void collect(const Tensor<float>& own, SequenceView<float> whole);

  Communicator& ranks_;
  std::map<std::string, const Case*> cases_;  // by id
  RankOptions options_;
  std::map<std::string, Held> held_;  // by case id
  CheckTensors check_;
};

/// The trace and the share of an answer, and the costs as they stand there.
RankTrace trace_of(const nlohmann::ordered_json& answer);
RankShare share_of(const nlohmann::ordered_json& answer);
nlohmann::ordered_json as_json(const std::vector<MessageSample>& samples);
std::vector<MessageSample> message_samples_of(const nlohmann::ordered_json& told);

}  // namespace seqbench
