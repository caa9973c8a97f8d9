#include "attention/key_blocks.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "attention/fused_tile.h"
#include "core/elementwise.h"
#include "core/parts.h"
#include "tests/attention/attention_data.h"

namespace seqbench {
namespace {

/// Some tokens of every sequence of `all`, parts behind each other: [B·T', cols].
template <typename T>
Tensor<T> tokens_of(const AttentionShape& shape, MatrixView<const T> all,
                    const std::vector<Part>& parts) {
  Index steps = 0;
  for (const Part& part : parts) steps += part.count;
  Tensor<T> some({shape.batch * steps, all.cols});
  Index row = 0;
  for (Index b = 0; b < shape.batch; ++b) {
    for (const Part& part : parts) {
      copy<T>(all.row_block(b * shape.steps + part.first, part.count),
              some.matrix().row_block(row, part.count));
      row += part.count;
    }
  }
  return some;
}

/// Keys of the whole problem that queries meet in one call.
struct Met {
  std::vector<Part> keys;  // of the block
  KeyBlock block;
  bool causal = false;
};

/// Some of a problem's queries through blocks of its keys, forward and backward. dk and dv are
/// those of each block.
template <typename T>
struct BlockResult {
  Tensor<T> o, dq;
  std::vector<Tensor<T>> dk, dv;
};

template <typename T>
BlockResult<T> run_blocks(const AttentionData<T>& data, const std::vector<Part>& queries,
                          std::vector<Met> calls, const ThreadTeam& team = ThreadTeam()) {
  constexpr T kNaN = std::numeric_limits<T>::quiet_NaN();
  const Index d_k = data.shape.head_width;
  const Tensor<T> q = tokens_of<T>(data.shape, data.part(0), queries);
  const Tensor<T> d_o = tokens_of<T>(data.shape, data.d_output.matrix(), queries);
  BlockResult<T> result{Tensor<T>(q.shape()), Tensor<T>(q.shape()), {}, {}};
  std::ranges::fill(result.o.values(), kNaN);
  std::ranges::fill(result.dq.values(), kNaN);
  AttentionShape shape = data.shape;
  shape.steps = q.shape()[0] / shape.batch;
  AttentionShape most = shape;
  std::vector<Tensor<T>> k, v;
  for (Met& call : calls) {
    k.push_back(tokens_of<T>(data.shape, data.part(1), call.keys));
    v.push_back(tokens_of<T>(data.shape, data.part(2), call.keys));
    call.block.steps = k.back().shape()[0] / shape.batch;
    if (call.block.keys == 0) call.block.keys = call.block.steps;
    call.block.begins = k.size() == 1;
    call.block.finishes = false;
    most.steps = std::max(most.steps, call.block.steps);
  }
  auto workspace = allocate<T>(fused_block_workspace<T>(most, Pass::kTrain, team.size()));
  const auto problem_of = [&](std::size_t i) -> AttentionProblem<T> {
    shape.causal = calls[i].causal;
    return {.shape = shape,
            .q = in_blocks(q.matrix(), d_k),
            .k = in_blocks(std::as_const(k[i]).matrix(), d_k),
            .v = in_blocks(std::as_const(v[i]).matrix(), d_k),
            .output = in_blocks(result.o.matrix(), d_k)};
  };
  for (std::size_t i = 0; i < calls.size(); ++i) {
    fused_forward(team, problem_of(i), calls[i].block, workspace);
  }
  finish_rows(team, problem_of(0), workspace);
  for (std::size_t i = 0; i < calls.size(); ++i) {
    result.dk.emplace_back(k[i].shape());
    result.dv.emplace_back(v[i].shape());
    std::ranges::fill(result.dk.back().values(), kNaN);
    std::ranges::fill(result.dv.back().values(), kNaN);
    fused_backward<T>(team, problem_of(i),
                      {.d_output = in_blocks(d_o.matrix(), d_k),
                       .dq = in_blocks(result.dq.matrix(), d_k),
                       .dk = in_blocks(result.dk.back().matrix(), d_k),
                       .dv = in_blocks(result.dv.back().matrix(), d_k)},
                      calls[i].block, workspace);
  }
  return result;
}

std::vector<Part> in_parts(Index steps, Index parts) {
  std::vector<Part> list;
  for (Index i = 0; i < parts; ++i) list.push_back(EvenParts::into(steps, parts)[i]);
  return list;
}

void expect_blocks_give_the_whole(const AttentionShape& shape, Index blocks) {
  SCOPED_TRACE(testing::Message() << "B=" << shape.batch << " T=" << shape.steps
                                  << " blocks=" << blocks);
  const auto data = random_attention<float>(shape, 5);
  const auto naive = run_kernel(Kernel::kNaive, data);
  const auto bounds = attention_bounds(data);
  std::vector<Met> calls;
  for (const Part& keys : in_parts(shape.steps, blocks)) calls.push_back({{keys}, {}});
  const auto ours = run_blocks(data, {{0, shape.steps}}, calls);
  EXPECT_LE(max_difference(ours.o, naive.o), bounds.o);
  EXPECT_LE(max_difference(ours.dq, naive.dq), bounds.dq);
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const auto of_block = [&](const Tensor<float>& all) {
      return tokens_of<float>(shape, all.matrix(), calls[i].keys);
    };
    EXPECT_LE(max_difference(ours.dk[i], of_block(naive.dk)), bounds.dk) << i;
    EXPECT_LE(max_difference(ours.dv[i], of_block(naive.dv)), bounds.dv) << i;
  }
}

TEST(KeyBlocks, GiveWhatAllKeysGive) {
  for (const Index blocks : {1, 2, 3}) {
    for (const Index steps :
         {Index{3}, kQueryTile<float> + 1, 3 * kKeyTile + 1, 7 * kKeyTile + 5}) {
      for (const Index batch : {1, 2, 8}) {
        expect_blocks_give_the_whole({.batch = batch, .steps = steps, .heads = 2, .head_width = 6},
                                     blocks);
      }
    }
  }
}

// The shares of a causal sequence in four chunks, an early and a late one for each of two: their
// own keys; the late queries and all keys of the other; all queries and the other's early keys.
TEST(KeyBlocks, OfTwoSharesOfACausalSequenceGiveTheWhole) {
  for (const Index steps : {Index{4}, Index{9}, 4 * kQueryTile<float> + 2, 5 * kKeyTile + 3}) {
    for (const Index batch : {1, 3}) {
      const AttentionShape shape{batch, steps, 2, 6, true};
      SCOPED_TRACE(testing::Message() << "B=" << batch << " T=" << steps);
      const auto data = random_attention<float>(shape, 6);
      const auto naive = run_kernel(Kernel::kNaive, data);
      const auto bounds = attention_bounds(data);
      const auto chunks = in_parts(steps, 4);
      const std::vector<Part> outer{chunks[0], chunks[3]}, inner{chunks[1], chunks[2]};
      const auto of_outer =
          run_blocks(data, outer, {{outer, {}, true}, {inner, {.first_query = chunks[0].count}}});
      const auto of_inner =
          run_blocks(data, inner, {{inner, {}, true}, {outer, {.keys = chunks[0].count}}});
      const auto expect_close = [&](const Tensor<float>& ours, const Tensor<float>& all,
                                    const std::vector<Part>& parts, double bound) {
        EXPECT_LE(max_difference(ours, tokens_of<float>(shape, all.matrix(), parts)), bound);
      };
      expect_close(of_outer.o, naive.o, outer, bounds.o);
      expect_close(of_inner.o, naive.o, inner, bounds.o);
      expect_close(of_outer.dq, naive.dq, outer, bounds.dq);
      expect_close(of_inner.dq, naive.dq, inner, bounds.dq);

      // A share's keys have gradients from both; of the outer one's late keys the inner has none.
      const auto sum = [&](const Tensor<float>& own, const Tensor<float>& others, Index met) {
        Tensor<float> both(own.shape());
        const Index block = own.shape()[0] / batch;
        for (Index row = 0; row < both.shape()[0]; ++row) {
          for (Index j = 0; j < both.shape()[1]; ++j) {
            both.matrix()(row, j) =
                own.matrix()(row, j) + (row % block < met ? others.matrix()(row, j) : 0);
          }
        }
        return both;
      };
      const Index early = chunks[0].count, all = chunks[1].count + chunks[2].count;
      expect_close(sum(of_outer.dk[0], of_inner.dk[1], early), naive.dk, outer, bounds.dk);
      expect_close(sum(of_outer.dv[0], of_inner.dv[1], early), naive.dv, outer, bounds.dv);
      expect_close(sum(of_inner.dk[0], of_outer.dk[1], all), naive.dk, inner, bounds.dk);
      expect_close(sum(of_inner.dv[0], of_outer.dv[1], all), naive.dv, inner, bounds.dv);
      // Those that are not met are left as they were.
      EXPECT_TRUE(std::isnan(of_inner.dk[1].matrix()(early, 0)));
      EXPECT_TRUE(std::isnan(of_inner.dv[1].matrix()(early, 0)));
    }
  }
}

// Logits that rise from block to block: each moves every maximum, and what was seen before shrinks.
TEST(KeyBlocks, RisingLogitsRescaleTheBlocksBefore) {
  const Index steps = 3 * kKeyTile;
  auto data = random_attention<float>({1, steps, 1, 1, false}, 6);
  for (Index j = 0; j < steps; ++j) {
    data.projection.matrix()(j, 0) = 1;
    data.projection.matrix()(j, 1) = float(j) / 16;
  }
  const auto naive = run_kernel(Kernel::kNaive, data);
  const auto bounds = attention_bounds(data);
  std::vector<Met> calls;
  for (const Part& keys : in_parts(steps, 5)) calls.push_back({{keys}, {}});
  for (int turn = 0; turn < 2; ++turn) {
    const auto ours = run_blocks(data, {{0, steps}}, calls);
    EXPECT_LE(max_difference(ours.o, naive.o), bounds.o);
    EXPECT_LE(max_difference(ours.dq, naive.dq), bounds.dq);
    std::ranges::reverse(calls);
  }
}

TEST(KeyBlocks, AreBitEqualForAnyNumberOfThreads) {
  const auto data = random_attention<float>({1, 2 * kKeyTile + 5, 2, 12, false}, 3);
  std::vector<Met> calls;
  for (const Part& keys : in_parts(data.shape.steps, 2)) calls.push_back({{keys}, {}});
  calls[1].block.first_query = 7;
  const std::vector<Part> queries{{0, data.shape.steps}};
  const auto one = run_blocks(data, queries, calls);
  for (const int threads : {2, 3}) {
    const auto several = run_blocks(data, queries, calls, ThreadTeam(threads));
    EXPECT_TRUE(bit_equal(several.o, one.o)) << threads;
    EXPECT_TRUE(bit_equal(several.dq, one.dq)) << threads;
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_TRUE(bit_equal(several.dk[i], one.dk[i])) << threads;
      EXPECT_TRUE(bit_equal(several.dv[i], one.dv[i])) << threads;
    }
  }
}

// One block with all keys is the whole problem, to the bit.
TEST(KeyBlocks, OwnKeysAreTheProblem) {
  for (const bool causal : {false, true}) {
    const auto data = random_attention<float>({2, kKeyTile + 5, 2, 12, causal}, 3);
    const auto expected = run_kernel(Kernel::kFused, data);
    const std::vector<Part> all{{0, data.shape.steps}};
    const auto ours = run_blocks(data, all, std::vector<Met>{Met{all, {}, causal}});
    EXPECT_TRUE(bit_equal(ours.o, expected.o));
    EXPECT_TRUE(bit_equal(ours.dq, expected.dq));
    EXPECT_TRUE(bit_equal(ours.dk[0], expected.dk));
    EXPECT_TRUE(bit_equal(ours.dv[0], expected.dv));
  }
}

TEST(KeyBlocks, WorkspaceHasRoomForTilesFromAnyQueryOn) {
  constexpr Index Q = kQueryTile<float>;
  for (const Index steps : {Index{1}, Q - 1, Q, Q + 1}) {
    const auto workspace = fused_block_workspace<float>({.steps = steps}, Pass::kForward, 1);
    for (Index first = 0; first < steps; ++first) {
      EXPECT_GE(workspace.row_max[1], first + parts_in(steps - first, Q) * Q);
      EXPECT_EQ(workspace.row_sum, workspace.row_max);
    }
  }
}

}  // namespace
}  // namespace seqbench
