#include "rnn/each_sequence.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

namespace seqbench {
namespace {

TEST(EachSequence, IsTakenOnceOnEitherSideOfTheSerialLimit) {
  for (const int workers : {1, 2, 3}) {
    const ThreadTeam team(workers);
    for (const Index batch : {1, 2, 7}) {
      for (const Index gates : {Index{1}, kSerialElements / batch, kSerialElements}) {
        std::vector<std::atomic<int>> calls(static_cast<std::size_t>(batch));
        for_each_sequence(team, batch, gates, [&](Index b) { ++calls[std::size_t(b)]; });
        for (const auto& count : calls) EXPECT_EQ(count, 1) << batch << " of " << gates;
      }
    }
  }
}

}  // namespace
}  // namespace seqbench
