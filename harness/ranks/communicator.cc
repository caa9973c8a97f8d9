#include "harness/ranks/communicator.h"

#include <algorithm>
#include <utility>

#include "core/parts.h"
#include "harness/base/stopwatch.h"

namespace seqbench {

/// Counts the seconds of a call, which returns the bytes that it sent.
template <typename Call>
void Communicator::count(const Call& call) {
  const Stopwatch stopwatch;
  try {
    traffic_.bytes_sent += call();
  } catch (...) {
    is_broken_ = true;
    throw;
  }
  traffic_.seconds += stopwatch.seconds();
}

void Communicator::send(int to, std::span<const std::byte> bytes) {
  count([&] { return do_send(to, bytes); });
}

void Communicator::receive(int from, std::span<std::byte> bytes) {
  count([&] {
    do_receive(from, bytes);
    return 0.0;
  });
}

void Communicator::begin_exchange(int to, std::span<const std::byte> sent, int from,
                                  std::span<std::byte> received) {
  count([&] { return do_begin_exchange(to, sent, from, received); });
}

void Communicator::wait() {
  count([&] {
    do_wait();
    return 0.0;
  });
}

void Communicator::broadcast(int root, std::span<std::byte> bytes) {
  if (size() > 1) count([&] { return do_broadcast(root, bytes); });
}

void Communicator::sum(std::span<float> values) {
  count([&] { return sum_in_order(values, float_shares_); });
}

void Communicator::sum(std::span<double> values) {
  count([&] { return sum_in_order(values, double_shares_); });
}

void Communicator::barrier() {
  if (size() == 1) return;
  count([&] {
    do_barrier();
    return 0.0;
  });
}

Traffic Communicator::take_traffic() { return std::exchange(traffic_, {}); }

double Communicator::do_broadcast(int root, std::span<std::byte> bytes) {
  if (rank() != root) {
    do_receive(root, bytes);
    return 0;
  }
  double sent = 0;
  for (int to = 0; to < size(); ++to) {
    if (to != root) sent += do_send(to, bytes);
  }
  return sent;
}

/// Rank r adds up part r of the values: it gets that part of every other rank, and hands the sum to
/// all. In both turns rank r sends to r + 1, r + 2, … and receives from r − 1, r − 2, …
template <typename T>
double Communicator::sum_in_order(std::span<T> values, std::vector<T>& shares) {
  const int P = size(), own = rank();
  if (P == 1) return 0;
  const EvenParts parts = EvenParts::into(Index(values.size()), P);
  const auto part_of = [&](int r) {
    const Part part = parts[r];
    return values.subspan(std::size_t(part.first), std::size_t(part.count));
  };
  const std::span<T> sums = part_of(own);
  const std::size_t share = sums.size();
  if (shares.size() < std::size_t(P) * share) shares.resize(std::size_t(P) * share);
  const auto share_from = [&](int r) {
    return std::span<T>(shares).subspan(std::size_t(r) * share, share);
  };

  double bytes_sent = 0;
  for (int k = 1; k < P; ++k) {
    const int to = (own + k) % P, from = (own + P - k) % P;
    bytes_sent += do_begin_exchange(to, std::as_bytes(part_of(to)), from,
                                    std::as_writable_bytes(share_from(from)));
  }
  std::ranges::copy(sums, share_from(own).begin());
  do_wait();
  std::ranges::copy(share_from(0), sums.begin());
  for (int r = 1; r < P; ++r) {
    const std::span<const T> terms = share_from(r);
    for (std::size_t i = 0; i < share; ++i) sums[i] += terms[i];
  }
  for (int k = 1; k < P; ++k) {
    const int to = (own + k) % P, from = (own + P - k) % P;
    bytes_sent +=
        do_begin_exchange(to, std::as_bytes(sums), from, std::as_writable_bytes(part_of(from)));
  }
  do_wait();
  return bytes_sent;
}

}  // namespace seqbench
