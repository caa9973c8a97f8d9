#include "harness/ranks/message_probe.h"

#include <gtest/gtest.h>

#include "harness/ranks/local_communicator.h"

namespace seqbench {
namespace {

TEST(MessageProbe, RankZeroKnowsWhatMessagesOfRisingSizesCost) {
  for (const int size : {2, 3}) {
    run_local_ranks(size, [](Communicator& ranks) {
      const MessageCosts costs = probe_messages(ranks);
      EXPECT_EQ(costs.is_known(), ranks.rank() == 0);
      if (ranks.rank() != 0) return;
      EXPECT_EQ(costs.alone.size(), costs.shift.size());
      for (const auto* list : {&costs.alone, &costs.shift}) {
        double bytes = 0;
        for (const MessageSample& one : *list) {
          EXPECT_GT(one.bytes, bytes);
          EXPECT_GT(one.seconds, 0);
          bytes = one.bytes;
        }
        EXPECT_LT(list->front().seconds, list->back().seconds);
      }
      EXPECT_GT(costs.bytes_per_second(), 1e6);
    });
  }
}

TEST(MessageProbe, ARankAloneHasNoMessages) {
  run_local_ranks(1, [](Communicator& ranks) { EXPECT_FALSE(probe_messages(ranks).is_known()); });
}

}  // namespace
}  // namespace seqbench
