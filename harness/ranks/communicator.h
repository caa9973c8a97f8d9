// What ranks say to each other: a rank is one of P processes that work on one case together.
//
// Ranks are those of MPI (mpi_ranks.h, where the build has it) or, for tests, threads of one
// process (local_communicator.h). Every call is counted: seconds that the caller spent in it, and
// the bytes that it sent.
#pragma once

#include <cstddef>
#include <span>
#include <stdexcept>
#include <vector>

namespace seqbench {

/// What a rank's calls took since take_traffic() was called last.
struct Traffic {
  double seconds = 0;     // spent in calls, waiting for others included
  double bytes_sent = 0;  // a broadcast or a sum counts what this rank hands on
};

/// Another rank has ended, or can no longer be reached.
class RankLost : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// One rank's end. Used by one thread at a time. Every call throws RankLost when another rank is
/// gone, and Interrupted when a signal ends a wait; after either no call is to follow.
class Communicator {
 public:
  Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  virtual ~Communicator() = default;

  virtual int rank() const = 0;  // 0 ≤ rank() < size()
  virtual int size() const = 0;

  /// Messages between two ranks arrive in the order in which they were sent. A message must be
  /// received with its own number of bytes. send() may wait until the other receives.
  void send(int to, std::span<const std::byte> bytes);
  void receive(int from, std::span<std::byte> bytes);
  /// Begins both and returns; the bytes are not to be touched before wait(), which ends all that
  /// was begun. `to` and `from` may be this rank.
  void begin_exchange(int to, std::span<const std::byte> sent, int from,
                      std::span<std::byte> received);
  void wait();

  /// From rank `root` to all.
  void broadcast(int root, std::span<std::byte> bytes);
  /// Assigns Σ over ranks, added in the order of the ranks: every rank has the same bits. Each rank
  /// adds up its share of the values and hands the sums on: 2·(P − 1)/P of the bytes are sent. The
  /// first sum of so many values allocates. Waits for all that was begun.
  void sum(std::span<float> values);
  void sum(std::span<double> values);
  void barrier();

  Traffic take_traffic();
  /// Whether a call has thrown.
  bool is_broken() const { return is_broken_; }

 protected:
  // The same without counting; each returns the bytes that it sent.
  virtual double do_send(int to, std::span<const std::byte> bytes) = 0;
  virtual void do_receive(int from, std::span<std::byte> bytes) = 0;
  virtual double do_begin_exchange(int to, std::span<const std::byte> sent, int from,
                                   std::span<std::byte> received) = 0;
  virtual void do_wait() = 0;
  /// A message from the root to each of the others.
  virtual double do_broadcast(int root, std::span<std::byte> bytes);
  virtual void do_barrier() = 0;

 private:
  template <typename Call>
  void count(const Call& call);
  template <typename T>
  double sum_in_order(std::span<T> values, std::vector<T>& shares);

  Traffic traffic_;
  bool is_broken_ = false;
  // Of sum_in_order(): one share of the values from each rank.
  std::vector<float> float_shares_;
  std::vector<double> double_shares_;
};

}  // namespace seqbench
