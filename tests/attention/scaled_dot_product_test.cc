#include "attention/scaled_dot_product.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace seqbench {
namespace {

TEST(LogitScale, IsOneOverTheRootOfTheHeadWidth) {
  EXPECT_EQ(logit_scale<float>(64), 0.125f);
  EXPECT_EQ(logit_scale<double>(1), 1);
  EXPECT_DOUBLE_EQ(logit_scale<double>(2), 0.70710678118654752);
}

TEST(HeadOf, IsTheWindowOfOneSequenceAndHead) {
  const AttentionShape shape{.batch = 2, .steps = 3, .heads = 2, .head_width = 4};
  Tensor<double> tensor({6, 8});
  std::iota(tensor.values().begin(), tensor.values().end(), 0);
  const MatrixView<double> columns = head_of(in_blocks(tensor.matrix(), 4), shape, 1, 1);
  EXPECT_EQ(columns.rows, 3);
  EXPECT_EQ(columns.cols, 4);
  EXPECT_EQ(columns(0, 0), 3 * 8 + 4);
  EXPECT_EQ(columns(2, 3), 47);
  const MatrixView<double> apart = head_of(blocks_over(tensor.data(), 6, 4, 2), shape, 1, 1);
  EXPECT_EQ(apart(0, 0), 6 * 4 + 3 * 4);
  EXPECT_EQ(apart(2, 3), 47);
}

/// The 3×3 scores of sequence b, 1 each, that are left after hiding.
std::vector<int> seen_keys(bool causal, const HiddenKeys* hidden, Index b) {
  AttentionProblem<double> problem;
  problem.shape = {.batch = 2, .steps = 3, .heads = 1, .head_width = 1, .causal = causal};
  problem.hidden = hidden;
  Tensor<float> scores({3, 3});
  std::ranges::fill(scores.values(), 1.0f);
  hide_unseen_keys(problem, b, scores.matrix());
  std::vector<int> seen;
  for (const float score : scores.values()) {
    EXPECT_TRUE(score == 1 || score == -std::numeric_limits<float>::infinity());
    seen.push_back(score == 1);
  }
  return seen;
}

TEST(HideUnseenKeys, HidesLaterKeysOfCausalAttentionAlone) {
  EXPECT_EQ(seen_keys(false, nullptr, 0), (std::vector<int>{1, 1, 1, 1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(seen_keys(true, nullptr, 0), (std::vector<int>{1, 0, 0, 1, 1, 0, 1, 1, 1}));
}

TEST(HideUnseenKeys, HidesTheGivenKeysOfTheSequence) {
  const HiddenKeys none;
  const HiddenKeys hidden{.keys = {true, false, false, false, true, false}, .from = {}};
  EXPECT_EQ(seen_keys(false, &none, 1), (std::vector<int>{1, 1, 1, 1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(seen_keys(false, &hidden, 0), (std::vector<int>{0, 1, 1, 0, 1, 1, 0, 1, 1}));
  EXPECT_EQ(seen_keys(false, &hidden, 1), (std::vector<int>{1, 0, 1, 1, 0, 1, 1, 0, 1}));
  EXPECT_EQ(seen_keys(true, &hidden, 1), (std::vector<int>{1, 0, 0, 1, 0, 0, 1, 0, 1}));
}

TEST(HideUnseenKeys, HidesThemFromTheOneQueryOfEachSequence) {
  const HiddenKeys hidden{.keys = {true, false, false, false, true, false}, .from = {2, 0}};
  EXPECT_EQ(seen_keys(false, &hidden, 0), (std::vector<int>{1, 1, 1, 1, 1, 1, 0, 1, 1}));
  EXPECT_EQ(seen_keys(false, &hidden, 1), (std::vector<int>{1, 0, 1, 1, 1, 1, 1, 1, 1}));
}

}  // namespace
}  // namespace seqbench
