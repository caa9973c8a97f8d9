#include "harness/repetition.h"

#include <gtest/gtest.h>

#include "harness/machine.h"

namespace seqbench {
namespace {

TEST(RepetitionBracket, SaysWhatSurroundedThePasses) {
  for (const int threads : {1, 2}) {
    const ThreadTeam team = make_team(threads);
    const RepetitionBracket bracket(team);
    const Sample sample = bracket.close(0.25);
    EXPECT_EQ(sample.seconds, 0.25);
    EXPECT_GT(sample.peak_gflops, 0.1);
    EXPECT_GE(sample.steal_fraction, 0);
    // A tick of /proc/stat can be counted just inside: 10 ms of steal beside 3 ms of probes.
    EXPECT_LT(sample.steal_fraction, 10);
  }
}

}  // namespace
}  // namespace seqbench
