#include "attention/fused_workspace.h"

#include <gtest/gtest.h>

namespace seqbench {
namespace {

constexpr Index kQueries = kQueryTile<float>;

TEST(FusedWorkspace, StepsArePaddedToWholeTiles) {
  EXPECT_EQ(padded_to_tiles<float>(1), kQueries);
  EXPECT_EQ(padded_to_tiles<float>(kQueries), kQueries);
  EXPECT_EQ(padded_to_tiles<float>(kQueries + 1), 2 * kQueries);
}

TEST(FusedWorkspace, TasksShareKeysOnceThereAreEnoughOfThem) {
  const auto tiles_of = [](Index tiles, Index heads) {
    return forward_task_tiles<float>(heads, tiles * kQueries);
  };
  EXPECT_EQ(tiles_of(1, 1), 1);
  EXPECT_EQ(tiles_of(63, 1), 1);
  EXPECT_EQ(tiles_of(64, 1), 2);
  EXPECT_EQ(tiles_of(16, 8), 4);
  EXPECT_EQ(tiles_of(1000, 8), 8);
}

// At least 16 tasks where the keys are enough for them, of whole tiles.
TEST(FusedWorkspace, KeysAreCutIntoAsManyChunksAsThereAreWorkers) {
  const auto keys_of = [](Index tiles, Index heads) {
    return chunk_keys_for({.batch = 1, .steps = tiles * kKeyTile, .heads = heads});
  };
  EXPECT_EQ(keys_of(1, 1), kKeyTile);
  EXPECT_EQ(keys_of(5, 1), kKeyTile);
  EXPECT_EQ(keys_of(32, 1), 2 * kKeyTile);
  EXPECT_EQ(keys_of(33, 1), 3 * kKeyTile);
  EXPECT_EQ(keys_of(32, 4), 8 * kKeyTile);
  EXPECT_EQ(keys_of(32, 16), 32 * kKeyTile);
}

TEST(FusedWorkspace, GrowsWithTheStepsAndNeverWithTheirSquare) {
  const Index steps = 2 * kKeyTile + 1;
  const AttentionShape shape{.batch = 2, .steps = steps, .heads = 3, .head_width = 5};
  const auto forward = fused_workspace<float>(shape, Pass::kForward, 2);
  EXPECT_EQ(forward.row_max, (BufferShape{6, padded_to_tiles<float>(steps)}));
  EXPECT_EQ(forward.row_sum, forward.row_max);
  EXPECT_EQ(forward.tile_scratch, (BufferShape{2, ForwardScratch<float>::elements(5)}));
  EXPECT_TRUE(forward.query_gradients.empty());
  const auto train = fused_workspace<float>(shape, Pass::kTrain, 2);
  EXPECT_EQ(train.tile_scratch[1],
            std::max(ForwardScratch<float>::elements(5), BackwardScratch<float>::elements(5)));
  EXPECT_EQ(train.chunk_keys, kKeyTile);
  EXPECT_EQ(train.query_gradients,
            (BufferShape{6, 3, padded_to_tiles<float>(steps) / kQueries, 5, kQueries}));
  EXPECT_TRUE(train.probabilities.empty());
}

/// Where a matrix starts and ends, as offsets from the scratch's start.
std::pair<Index, Index> place(const float* scratch, MatrixView<float> matrix) {
  return {matrix.data - scratch, matrix.row(matrix.rows) - scratch};
}

TEST(FusedWorkspace, PartsOfAWorkersScratchFollowEachOther) {
  constexpr Index kWidth = 5;
  AttentionWorkspace<Tensor<float>> workspace;
  const Index elements =
      std::max(ForwardScratch<float>::elements(kWidth), BackwardScratch<float>::elements(kWidth));
  workspace.tile_scratch = Tensor<float>({2, elements});
  const float* const start = workspace.tile_scratch.data() + elements;

  const ForwardScratch<float> forward = forward_scratch(workspace, 1);
  Index end = place(start, forward.scores(kKeyTile, kQueries)).second;
  EXPECT_EQ(forward.scores(kKeyTile, kQueries).data, start);
  for (Index tile = 0; tile < kForwardTaskTiles; ++tile) {
    for (const auto& part :
         {forward.query_tile<float>(tile, kWidth), forward.output_tile(tile, kWidth)}) {
      EXPECT_EQ(place(start, part).first, end);
      end = place(start, part).second;
    }
  }
  EXPECT_EQ(end, ForwardScratch<float>::elements(kWidth));

  const BackwardScratch<float> backward = backward_scratch(workspace, 1);
  const GradientTiles<float> tiles = backward.gradient_tiles(kKeyTile);
  EXPECT_EQ(tiles.p_t.data, start);
  EXPECT_EQ(place(start, tiles.ds_t).first, place(start, tiles.p_t).second);
  EXPECT_EQ(backward.row_delta() - start, place(start, tiles.ds_t).second);
  end = backward.row_delta() - start + kQueries;
  for (const auto& part :
       {backward.q_t<float>(kWidth), backward.d_output_t<float>(kWidth), backward.dq_t(kWidth)}) {
    EXPECT_EQ(place(start, part).first, end);
    end = place(start, part).second;
  }
  EXPECT_EQ(end, BackwardScratch<float>::elements(kWidth));
}

}  // namespace
}  // namespace seqbench
