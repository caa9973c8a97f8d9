#include "harness/ranks/message_probe.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "harness/base/statistics.h"
#include "harness/base/stopwatch.h"

namespace seqbench {
namespace {

// From one cache line's worth of latency to more than any cache of one core holds.
constexpr std::size_t kSizes[] = {8, 4 << 10, 32 << 10, 256 << 10, 2 << 20, 16 << 20};
constexpr double kSeconds = 0.01;  // of each size
constexpr Index kLeast = 5, kMost = 1000;

/// The median of as many calls as fit the time on rank 0, which all ranks make.
double median_seconds(Communicator& ranks, const std::function<void()>& call) {
  call();  // allocates, and touches every page
  Stopwatch first;
  call();
  std::int64_t count = std::clamp(Index(kSeconds / std::max(first.seconds(), 1e-7)), kLeast, kMost);
  ranks.broadcast(0, std::as_writable_bytes(std::span(&count, 1)));
  std::vector<double> seconds;
  for (std::int64_t i = 0; i < count; ++i) {
    const Stopwatch stopwatch;
    call();
    seconds.push_back(stopwatch.seconds());
  }
  return median(seconds);
}

}  // namespace

MessageCosts probe_messages(Communicator& ranks) {
  MessageCosts costs;
  const int P = ranks.size(), own = ranks.rank();
  if (P == 1) return costs;
  std::vector<std::byte> sent(kSizes[std::size(kSizes) - 1]), received(sent.size());
  for (const std::size_t bytes : kSizes) {
    const std::span<const std::byte> out(sent.data(), bytes);
    const std::span<std::byte> in(received.data(), bytes);
    double slowest = 0;
    for (int other = 1; other < P; ++other) {
      const double there_and_back = median_seconds(ranks, [&] {
        if (own == 0) {
          ranks.send(other, out);
          ranks.receive(other, in);
        } else if (own == other) {
          ranks.receive(0, in);
          ranks.send(0, out);
        }
      });
      slowest = std::max(slowest, there_and_back / 2);
    }
    const double shift = median_seconds(ranks, [&] {
      ranks.begin_exchange((own + 1) % P, out, (own + P - 1) % P, in);
      ranks.wait();
    });
    if (own != 0) continue;
    costs.alone.push_back({.bytes = double(bytes), .seconds = slowest});
    costs.shift.push_back({.bytes = double(bytes), .seconds = shift});
  }
  return own == 0 ? costs : MessageCosts();
}

}  // namespace seqbench
