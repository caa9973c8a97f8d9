#include "harness/ranks/traced_communicator.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

#include "harness/ranks/local_communicator.h"

namespace seqbench {
namespace {

using Kind = RankEvent::Kind;

TEST(TracedCommunicator, PassesCallsOnAndCountsThem) {
  run_local_ranks(3, [](Communicator& ranks) {
    TracedCommunicator traced(ranks);
    std::vector<float> values(3, float(traced.rank()));
    traced.sum(std::span<float>(values));
    for (const float value : values) EXPECT_EQ(value, 3);
    EXPECT_EQ(traced.take_traffic().bytes_sent, 2.0 * 2 * sizeof(float));
    double sent = 4, came = 0;
    traced.begin_exchange((traced.rank() + 1) % 3, std::as_bytes(std::span(&sent, 1)),
                          (traced.rank() + 2) % 3, std::as_writable_bytes(std::span(&came, 1)));
    traced.wait();
    EXPECT_EQ(came, 4);
    double told = traced.rank();
    traced.broadcast(1, std::as_writable_bytes(std::span(&told, 1)));
    EXPECT_EQ(told, 1);
    traced.barrier();
  });
}

TEST(TracedCommunicator, ATraceMovesNothingAndTellsEveryCall) {
  // Rank 1 of three, the others of which do nothing: no call waits.
  run_local_ranks(3, [](Communicator& ranks) {
    if (ranks.rank() != 1) return;
    TracedCommunicator traced(ranks);
    const std::vector<double> sent(2);
    std::vector<double> received = {5, 6};
    const auto out = std::as_bytes(std::span(sent));
    const auto in = std::as_writable_bytes(std::span(received));
    traced.begin_trace();
    traced.send(2, out);
    traced.receive(0, in);
    traced.begin_exchange(2, out, 0, in.first(8));
    traced.wait();
    traced.barrier();
    traced.broadcast(1, in);
    const RankTrace trace = traced.end_trace();
    EXPECT_EQ(received, (std::vector<double>{5, 6}));
    std::vector<Kind> kinds;
    for (const RankEvent& event : trace) kinds.push_back(event.kind);
    EXPECT_EQ(kinds,
              (std::vector<Kind>{Kind::kSend, Kind::kReceive, Kind::kBeginExchange, Kind::kWait,
                                 Kind::kMeet, Kind::kSend, Kind::kSend, Kind::kEnd}));
    EXPECT_EQ(trace[0].to, 2);
    EXPECT_EQ(trace[0].bytes_to, 16);
    EXPECT_EQ(trace[1].from, 0);
    EXPECT_EQ(trace[1].bytes_from, 16);
    EXPECT_EQ(trace[2].bytes_to, 16);
    EXPECT_EQ(trace[2].bytes_from, 8);
    EXPECT_EQ(sent_messages(trace), 4);  // broadcast: to each of the two others
    for (const RankEvent& event : trace) EXPECT_GE(event.seconds_before, 0);
  });
}

TEST(TracedCommunicator, TheMedianIsTakenAtEachEvent) {
  const auto trace = [](double first, double second) {
    return RankTrace{{.kind = Kind::kSend, .seconds_before = first, .to = 1, .bytes_to = 8},
                     {.kind = Kind::kEnd, .seconds_before = second}};
  };
  const RankTrace middle = median_trace({trace(1, 9), trace(3, 2), trace(2, 4)});
  EXPECT_EQ(middle[0].seconds_before, 2);
  EXPECT_EQ(middle[0].bytes_to, 8);
  EXPECT_EQ(middle[1].seconds_before, 4);
  EXPECT_EQ(computed_seconds(middle), 6);
  EXPECT_THROW(median_trace({trace(1, 2), RankTrace(1)}), std::logic_error);
}

}  // namespace
}  // namespace seqbench
