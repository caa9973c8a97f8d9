#include "harness/ranks/replay.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

namespace seqbench {
namespace {

using Kind = RankEvent::Kind;

// 1 s latency, 10 bytes a second; a shift takes twice as long.
const MessageCosts kCosts{.alone = {{0, 1}, {100, 11}}, .shift = {{0, 2}, {100, 22}}};

RankEvent end_after(double seconds) { return {.kind = Kind::kEnd, .seconds_before = seconds}; }

TEST(Replay, MessagesCostLatencyAndBytesByBandwidth) {
  EXPECT_DOUBLE_EQ(message_seconds(kCosts.alone, 0), 1);
  EXPECT_DOUBLE_EQ(message_seconds(kCosts.alone, 50), 6);
  EXPECT_DOUBLE_EQ(message_seconds(kCosts.alone, 200), 21);  // as between the last two
  EXPECT_DOUBLE_EQ(message_seconds({{8, 1}, {16, 3}, {32, 4}}, 4), 1);
  EXPECT_DOUBLE_EQ(message_seconds({{8, 1}, {16, 3}, {32, 4}}, 12), 2);
  EXPECT_DOUBLE_EQ(message_seconds({{8, 1}, {16, 3}, {32, 4}}, 24), 3.5);
  EXPECT_EQ(message_seconds({}, 24), 0);
  EXPECT_DOUBLE_EQ(kCosts.latency_seconds(), 1);
  EXPECT_DOUBLE_EQ(kCosts.bytes_per_second(), 10);
  EXPECT_FALSE(MessageCosts().is_known());
}

TEST(Replay, RanksThatSayNothingTakeAsLongAsTheSlowest) {
  EXPECT_DOUBLE_EQ(replayed_seconds({{end_after(3)}, {end_after(5)}, {end_after(1)}}, kCosts), 5);
}

TEST(Replay, AReceiverWaitsForItsMessageAndSpendsItsTransfer) {
  const RankTrace sender = {{.kind = Kind::kSend, .seconds_before = 4, .to = 1, .bytes_to = 20},
                            end_after(1)};
  const auto receiver = [](double before) {
    return RankTrace{
        {.kind = Kind::kReceive, .seconds_before = before, .from = 0, .bytes_from = 20},
        end_after(2)};
  };
  EXPECT_DOUBLE_EQ(replayed_seconds({sender, receiver(0)}, kCosts), 4 + 3 + 2);
  EXPECT_DOUBLE_EQ(replayed_seconds({sender, receiver(10)}, kCosts), 10 + 3 + 2);
}

/// A pipeline of m groups over P ranks, each stage of `seconds`, messages for nothing.
double pipeline_seconds(int groups, int ranks, double seconds) {
  std::vector<RankTrace> traces(static_cast<std::size_t>(ranks));
  for (int r = 0; r < ranks; ++r) {
    double computed = 0;
    RankTrace& trace = traces[std::size_t(r)];
    for (int group = 0; group < groups; ++group) {
      if (r > 0) {
        trace.push_back({.kind = Kind::kReceive, .seconds_before = computed, .from = r - 1});
        computed = 0;
      }
      computed += seconds;
      if (r + 1 < ranks) {
        trace.push_back({.kind = Kind::kSend, .seconds_before = computed, .to = r + 1});
        computed = 0;
      }
    }
    trace.push_back(end_after(computed));
  }
  return replayed_seconds(traces, {});
}

TEST(Replay, APipelineTakesItsGroupsAndItsRanksButOne) {
  EXPECT_DOUBLE_EQ(pipeline_seconds(1, 4, 2), 2 * 4);
  EXPECT_DOUBLE_EQ(pipeline_seconds(8, 1, 2), 2 * 8);
  EXPECT_DOUBLE_EQ(pipeline_seconds(8, 3, 2), 2 * (8 + 3 - 1));
}

TEST(Replay, ARingWaitsForTheSlowestNeighbour) {
  // Two stages: exchange, compute, exchange, compute. Rank 1 takes 5 s in the first.
  std::vector<RankTrace> traces(3);
  for (int r = 0; r < 3; ++r) {
    const RankEvent exchange = {.kind = Kind::kBeginExchange,
                                .to = (r + 1) % 3,
                                .from = (r + 2) % 3,
                                .bytes_to = 100,
                                .bytes_from = 100};
    traces[std::size_t(r)] = {exchange,
                              {.kind = Kind::kWait, .seconds_before = r == 1 ? 5.0 : 1.0},
                              exchange,
                              {.kind = Kind::kWait, .seconds_before = 1},
                              end_after(1)};
  }
  // A transfer of 22 s begins when the receiver waits. Rank 1: 5 + 22, + 1 + 22 + 1. Rank 2 waits
  // in its second exchange for rank 1, which begins it at 27: 27 + 22 + 1.
  EXPECT_DOUBLE_EQ(replayed_seconds(traces, kCosts), 51);
}

TEST(Replay, AMeetingWaitsForAll) {
  const auto trace = [](double before, double after) {
    return RankTrace{{.kind = Kind::kMeet, .seconds_before = before}, end_after(after)};
  };
  // Two turns of messages of four ranks.
  EXPECT_DOUBLE_EQ(replayed_seconds({trace(1, 7), trace(6, 1), trace(2, 2), trace(0, 0)}, kCosts),
                   6 + 2 * 1 + 7);
}

TEST(Replay, WhatNobodySendsIsAnError) {
  EXPECT_THROW(replayed_seconds(
                   {{{.kind = Kind::kReceive, .from = 1}, end_after(0)}, {end_after(0)}}, kCosts),
               std::logic_error);
}

}  // namespace
}  // namespace seqbench
