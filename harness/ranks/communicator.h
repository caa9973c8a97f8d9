// What ranks say to each other: a rank is one of P processes that work on one case together.
//
// Ranks are those of MPI (mpi_communicator.h, where the build has it) or, for tests, threads of one
// process (local_communicator.h). Every call is counted: seconds that the caller spent in it, and
// the bytes that it sent.
#pragma once

#include <cstddef>
#include <span>

#include "harness/base/stopwatch.h"

namespace seqbench {

/// What a rank's calls took since take_traffic() was called last.
struct Traffic {
  double seconds = 0;     // spent in calls, waiting for others included
  double bytes_sent = 0;  // a broadcast or a sum counts what this rank hands on
};

class Communicator {
 public:
  Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  virtual ~Communicator() = default;

  virtual int rank() const = 0;  // 0 ≤ rank() < size()
  virtual int size() const = 0;

  /// Messages between two ranks arrive in the order in which they were sent. A message must be
  /// received with its own number of bytes. A rank that is gone ends the others: see the makers.
  void send(int to, std::span<const std::byte> bytes);
  void receive(int from, std::span<std::byte> bytes);
  /// Begins both and returns; the bytes are not to be touched before wait(), which ends all that
  /// was begun. `to` and `from` may be this rank.
  void begin_exchange(int to, std::span<const std::byte> sent, int from,
                      std::span<std::byte> received);
  void wait();

  /// From rank `root` to all.
  void broadcast(int root, std::span<std::byte> bytes);
  /// Assigns Σ over ranks, added in the order of the ranks: every rank has the same bits.
  void sum(std::span<float> values);
  void sum(std::span<double> values);
  void barrier();

  Traffic take_traffic();

 protected:
  // The same without counting; each returns the bytes that it sent.
  virtual double do_send(int to, std::span<const std::byte> bytes) = 0;
  virtual void do_receive(int from, std::span<std::byte> bytes) = 0;
  virtual double do_begin_exchange(int to, std::span<const std::byte> sent, int from,
                                   std::span<std::byte> received) = 0;
  virtual void do_wait() = 0;
  virtual double do_broadcast(int root, std::span<std::byte> bytes) = 0;
  virtual double do_sum(std::span<float> values) = 0;
  virtual double do_sum(std::span<double> values) = 0;
  virtual void do_barrier() = 0;

 private:
  template <typename Call>
  void count(const Call& call);

  Traffic traffic_;
};

}  // namespace seqbench
