#include "harness/ranks/replay.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <stdexcept>

namespace seqbench {
namespace {

using Kind = RankEvent::Kind;

struct Message {
  double sent_at = 0;
  double seconds = 0;  // on its way
};

/// The ranks at some point of the pass.
class Replay {
 public:
  Replay(const std::vector<RankTrace>& traces, const MessageCosts& costs)
      : traces_(traces), costs_(costs), ranks_(traces.size()), queues_(traces.size()) {
    for (auto& queues : queues_) queues.resize(traces.size());
  }

  double seconds() {
    while (!is_over()) {
      bool any_moved = false;
      for (std::size_t r = 0; r < ranks_.size(); ++r) {
        while (step(r)) any_moved = true;
      }
      if (meet()) any_moved = true;
      if (!any_moved) throw std::logic_error("ranks wait for messages that nobody sends");
    }
    double last = 0;
    for (const Rank& rank : ranks_) last = std::max(last, rank.now);
    return last;
  }

 private:
  struct Rank {
    std::size_t next = 0;  // event
    double now = 0;
    bool has_computed = false;    // what stands before the next event
    std::vector<int> begun = {};  // senders of exchanges that were begun
  };

  bool is_over() const {
    for (std::size_t r = 0; r < ranks_.size(); ++r) {
      if (ranks_[r].next < traces_[r].size()) return false;
    }
    return true;
  }

  /// Takes the next event of a rank; false when it has none or must wait.
  bool step(std::size_t r) {
    Rank& rank = ranks_[r];
    if (rank.next == traces_[r].size()) return false;
    const RankEvent& event = traces_[r][rank.next];
    if (!rank.has_computed) rank.now += event.seconds_before;
    rank.has_computed = true;
    switch (event.kind) {
      case Kind::kSend:
        post(r, event, costs_.alone);
        break;
      case Kind::kReceive:
        if (!take(r, event.from)) return false;
        break;
      case Kind::kBeginExchange:
        post(r, event, costs_.shift);
        rank.begun.push_back(event.from);
        break;
      case Kind::kWait:
        while (!rank.begun.empty()) {
          if (!take(r, rank.begun.front())) return false;
          rank.begun.erase(rank.begun.begin());
        }
        break;
      case Kind::kMeet:
        return false;  // all at once: meet()
      case Kind::kEnd:
        break;
    }
    ++rank.next;
    rank.has_computed = false;
    return true;
  }

  void post(std::size_t from, const RankEvent& event, const std::vector<MessageSample>& costs) {
    const auto to = std::size_t(event.to);
    const double seconds = to == from ? 0 : message_seconds(costs, event.bytes_to);
    queues_[from][to].push_back({.sent_at = ranks_[from].now, .seconds = seconds});
  }

  bool take(std::size_t r, int from) {
    std::deque<Message>& queue = queues_[std::size_t(from)][r];
    if (queue.empty()) return false;
    Rank& rank = ranks_[r];
    rank.now = std::max(rank.now, queue.front().sent_at) + queue.front().seconds;
    queue.pop_front();
    return true;
  }

  /// When all ranks wait at a meeting: as many turns of messages as double to all of them.
  bool meet() {
    double last = 0;
    for (std::size_t r = 0; r < ranks_.size(); ++r) {
      const Rank& rank = ranks_[r];
      if (rank.next == traces_[r].size() || !rank.has_computed) return false;
      if (traces_[r][rank.next].kind != Kind::kMeet) return false;
      last = std::max(last, rank.now);
    }
    const double turns = std::ceil(std::log2(double(ranks_.size())));
    for (Rank& rank : ranks_) {
      rank.now = last + turns * message_seconds(costs_.alone, 0);
      ++rank.next;
      rank.has_computed = false;
    }
    return true;
  }

  const std::vector<RankTrace>& traces_;
  const MessageCosts& costs_;
  std::vector<Rank> ranks_;
  std::vector<std::vector<std::deque<Message>>> queues_;  // [from][to]
};

}  // namespace

double message_seconds(const std::vector<MessageSample>& probed, double bytes) {
  if (probed.empty()) return 0;
  if (probed.size() == 1 || bytes <= probed.front().bytes) return probed.front().seconds;
  std::size_t right = 1;
  while (right + 1 < probed.size() && probed[right].bytes < bytes) ++right;
  const MessageSample &low = probed[right - 1], &high = probed[right];
  const double share = (bytes - low.bytes) / (high.bytes - low.bytes);
  return std::max(low.seconds + share * (high.seconds - low.seconds), 0.0);
}

double MessageCosts::latency_seconds() const { return alone.empty() ? 0 : alone.front().seconds; }

double MessageCosts::bytes_per_second() const {
  if (alone.size() < 2) return 0;
  return (alone.back().bytes - alone.front().bytes) /
         (alone.back().seconds - alone.front().seconds);
}

double replayed_seconds(const std::vector<RankTrace>& traces, const MessageCosts& costs) {
  return Replay(traces, costs).seconds();
}

}  // namespace seqbench
