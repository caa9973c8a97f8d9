#include "harness/ranks/traced_communicator.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "harness/base/statistics.h"

namespace seqbench {

void TracedCommunicator::begin_trace() {
  constexpr std::size_t kUsualEvents = 4096;  // so that none is slow because the list grows
  trace_.clear();
  trace_.reserve(kUsualEvents);
  is_tracing_ = true;
  since_last_ = Stopwatch();
}

RankTrace TracedCommunicator::end_trace() {
  write_down({.kind = RankEvent::Kind::kEnd});
  is_tracing_ = false;
  return std::exchange(trace_, {});
}

void TracedCommunicator::write_down(RankEvent event) {
  event.seconds_before = since_last_.seconds();
  trace_.push_back(event);
  since_last_ = Stopwatch();
}

double TracedCommunicator::do_send(int to, std::span<const std::byte> bytes) {
  if (is_tracing_) {
    write_down({.kind = RankEvent::Kind::kSend, .to = to, .bytes_to = double(bytes.size())});
  } else {
    ranks_.send(to, bytes);
  }
  return to == rank() ? 0 : double(bytes.size());
}

void TracedCommunicator::do_receive(int from, std::span<std::byte> bytes) {
  if (!is_tracing_) return ranks_.receive(from, bytes);
  write_down({.kind = RankEvent::Kind::kReceive, .from = from, .bytes_from = double(bytes.size())});
}

double TracedCommunicator::do_begin_exchange(int to, std::span<const std::byte> sent, int from,
                                             std::span<std::byte> received) {
  if (is_tracing_) {
    write_down({.kind = RankEvent::Kind::kBeginExchange,
                .to = to,
                .from = from,
                .bytes_to = double(sent.size()),
                .bytes_from = double(received.size())});
  } else {
    ranks_.begin_exchange(to, sent, from, received);
  }
  return to == rank() ? 0 : double(sent.size());
}

void TracedCommunicator::do_wait() {
  if (!is_tracing_) return ranks_.wait();
  write_down({.kind = RankEvent::Kind::kWait});
}

double TracedCommunicator::do_broadcast(int root, std::span<std::byte> bytes) {
  if (is_tracing_) return Communicator::do_broadcast(root, bytes);
  ranks_.broadcast(root, bytes);
  return rank() == root ? double(size() - 1) * double(bytes.size()) : 0;
}

void TracedCommunicator::do_barrier() {
  if (!is_tracing_) return ranks_.barrier();
  write_down({.kind = RankEvent::Kind::kMeet});
}

RankTrace median_trace(const std::vector<RankTrace>& passes) {
  RankTrace middle = passes.front();
  for (const RankTrace& pass : passes) {
    if (pass.size() != middle.size()) throw std::logic_error("traces of different passes");
  }
  for (std::size_t i = 0; i < middle.size(); ++i) {
    std::vector<double> seconds;
    for (const RankTrace& pass : passes) seconds.push_back(pass[i].seconds_before);
    middle[i].seconds_before = median(seconds);
  }
  return middle;
}

Index sent_messages(const RankTrace& trace) {
  return Index(std::ranges::count_if(trace, [](const RankEvent& event) {
    return event.bytes_to > 0;  // of a send or an exchange
  }));
}

double computed_seconds(const RankTrace& trace) {
  double seconds = 0;
  for (const RankEvent& event : trace) seconds += event.seconds_before;
  return seconds;
}

}  // namespace seqbench
