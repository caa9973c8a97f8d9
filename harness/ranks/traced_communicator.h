// What a rank computes between its calls: its own part of a pass, run without the others.
//
// While a trace is taken, calls return at once and move nothing; what they would have received
// stays as it was. So every rank runs its part of a pass for itself, with values that a real pass
// left behind, and the trace says how long it computed before each call. replay.h puts the traces
// of all ranks together.
#pragma once

#include <vector>

#include "core/tensor.h"
#include "harness/base/stopwatch.h"
#include "harness/ranks/communicator.h"

namespace seqbench {

/// One call of a rank, and what it computed before it.
struct RankEvent {
  enum class Kind { kSend, kReceive, kBeginExchange, kWait, kMeet, kEnd };
  Kind kind = Kind::kEnd;
  double seconds_before = 0;  // computed since the event before
  int to = 0, from = 0;       // of a send, a receive, an exchange
  double bytes_to = 0, bytes_from = 0;
};

/// A pass of a rank: its calls in their order, and the end.
using RankTrace = std::vector<RankEvent>;

/// The ranks of another communicator, which must outlive it.
class TracedCommunicator : public Communicator {
 public:
  explicit TracedCommunicator(Communicator& ranks) : ranks_(ranks) {}

  int rank() const override { return ranks_.rank(); }
  int size() const override { return ranks_.size(); }

  /// From here on calls are written down instead; nothing that was begun may be left.
  void begin_trace();
  RankTrace end_trace();

 protected:
  double do_send(int to, std::span<const std::byte> bytes) override;
  void do_receive(int from, std::span<std::byte> bytes) override;
  double do_begin_exchange(int to, std::span<const std::byte> sent, int from,
                           std::span<std::byte> received) override;
  void do_wait() override;
  double do_broadcast(int root, std::span<std::byte> bytes) override;
  void do_barrier() override;

 private:
  void write_down(RankEvent event);

  Communicator& ranks_;
  bool is_tracing_ = false;
  Stopwatch since_last_;
  RankTrace trace_;
};

/// The trace that has, at each event, the median of these passes' seconds. They are passes of the
/// same case on the same rank, one or more.
RankTrace median_trace(const std::vector<RankTrace>& passes);

/// Messages that the rank sends to others.
Index sent_messages(const RankTrace& trace);

/// Seconds that the rank computed.
double computed_seconds(const RankTrace& trace);

}  // namespace seqbench
