// How long a pass takes over ranks, from what each computes alone and what a message costs.
//
// Ranks run side by side. A message is on its way as soon as it is sent and its receiver waits for
// it; from then on it takes latency + bytes ÷ bandwidth, which the receiver spends waiting. Nobody
// waits for what it sent. Messages to the same receiver come one after the other. This is the model
// of Alexandrov et al. 1995 ("LogGP") without overlap of transfer and computation: an MPI library
// without a thread of its own moves large messages only while it is called.
#pragma once

#include <vector>

#include "harness/ranks/traced_communicator.h"

namespace seqbench {

/// What a message of so many bytes took.
struct MessageSample {
  double bytes = 0;
  double seconds = 0;
};

/// Probed messages (message_probe.h), each list with rising bytes.
struct MessageCosts {
  std::vector<MessageSample> alone;  // one message at a time
  std::vector<MessageSample> shift;  // every rank sends and receives one at the same time

  double latency_seconds() const;   // of the smallest message
  double bytes_per_second() const;  // of the largest, beyond that
  bool is_known() const { return !alone.empty(); }
};

/// Seconds of a message of any size: latency + bytes ÷ bandwidth, both those of the two probed
/// sizes around it; of the last two beyond the largest. 0 where nothing was probed.
double message_seconds(const std::vector<MessageSample>& probed, double bytes);

/// Seconds until the last of the ranks ends, all of which begin together. Throws std::logic_error
/// for traces in which ranks wait for messages that nobody sends.
double replayed_seconds(const std::vector<RankTrace>& traces, const MessageCosts& costs);

}  // namespace seqbench
