#include "rnn/loop_plan.h"

#include <gtest/gtest.h>

#include <vector>

namespace seqbench {
namespace {

TEST(LoopPlan, FewSequencesShareTheUnits) {
  const LoopPlan plan = plan_loop<float>(/*batch=*/1, /*width=*/256, /*workers=*/2);
  EXPECT_EQ(plan.unit_shares, 2);
  EXPECT_EQ(plan.sequence_groups, 1);
  EXPECT_EQ(plan.rows, 1);
}

TEST(LoopPlan, ManySequencesAreSharedInEqualGroups) {
  for (const int workers : {1, 2, 5}) {
    for (const Index batch : {20, 21, 300}) {
      const LoopPlan plan = plan_loop<float>(batch, 256, workers);
      EXPECT_EQ(plan.unit_shares, 1);
      EXPECT_EQ(plan.sequence_groups % workers, 0);
      EXPECT_GE(plan.rows * plan.sequence_groups, batch);
      EXPECT_LE(plan.rows, 48);
    }
  }
}

TEST(LoopPlan, NobodyIsLeftWithoutAVectorOfUnits) {
  const Index lanes = unit_lanes<float>();
  EXPECT_EQ(plan_loop<float>(1, 1, 8).unit_shares, 1);
  EXPECT_EQ(plan_loop<float>(1, lanes + 1, 8).unit_shares, 2);
}

TEST(UnitCut, CoversEveryUnitOnceInWholeVectors) {
  const Index lanes = unit_lanes<float>();
  for (Index width = 1; width <= 5 * lanes + 1; ++width) {
    for (const Index shares : {1, 2, 3}) {
      for (const Index vectors : {1, 2, 4}) {
        const UnitCut<float> cut{.width = width, .shares = shares, .block_vectors = vectors};
        if (shares > cut.vectors()) continue;
        Index next = 0, columns = 0;
        for (Index share = 0; share < shares; ++share) {
          const UnitShare<float> units = cut.share(share);
          for (Index i = 0; i < units.blocks(); ++i) {
            const UnitBlock block = units.block(i);
            ASSERT_EQ(block.first, next);
            ASSERT_EQ(block.columns % lanes, 0);
            ASSERT_LE(block.columns, vectors * lanes);
            ASSERT_GT(block.count, block.columns - lanes);
            next += block.count;
            columns += block.columns;
          }
        }
        ASSERT_EQ(next, width);
        ASSERT_EQ(columns, cut.columns());
      }
    }
  }
}

}  // namespace
}  // namespace seqbench
