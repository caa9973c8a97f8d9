#include "harness/timing/repetition.h"

#include <gtest/gtest.h>

#include "harness/machine/placement.h"

namespace seqbench {
namespace {

TEST(RepetitionBracket, SaysWhatSurroundedThePasses) {
  for (const int threads : {1, 2}) {
    const ThreadTeam team = make_team(threads);
    const RepetitionBracket bracket(team);
    const Sample sample = bracket.close(0.25);
    EXPECT_EQ(sample.seconds, 0.25);
    EXPECT_GT(sample.peak_gflops, 0.1);
  }
}

}  // namespace
}  // namespace seqbench
