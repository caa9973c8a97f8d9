#include <gtest/gtest.h>

#include <set>

#include "tests/harness/tasks/draw.h"

namespace seqbench {
namespace {

constexpr Index kCopied = 4;
constexpr Token kBlank = 14, kMark = 15;

TEST(SelectiveCopy, AsksForTheSymbolsInTheirOrderWhereverTheyStand) {
  constexpr Index kTokens = 9, T = kTokens + kCopied;
  std::set<std::vector<Index>> places;
  const TaskBatch batch = draw("selective_copy", 2000, {.distance = kTokens});
  ASSERT_EQ(batch.shape.steps, T);
  for (Index b = 0; b < 2000; ++b) {
    const Token* const x = batch.tokens.data() + b * T;
    std::vector<Token> symbols;
    std::vector<Index> at;
    for (Index t = 0; t < kTokens; ++t) {
      if (x[t] == kBlank) continue;
      ASSERT_LT(x[t], kBlank);
      symbols.push_back(x[t]);
      at.push_back(t);
    }
    ASSERT_EQ(Index(symbols.size()), kCopied);
    places.insert(at);
    for (Index k = 0; k < kCopied; ++k) {
      EXPECT_EQ(x[kTokens + k], kMark);
      EXPECT_EQ(batch.targets[std::size_t(b * kCopied + k)], symbols[std::size_t(k)]);
      EXPECT_EQ(batch.answer_rows[std::size_t(b * kCopied + k)], b * T + kTokens + k);
    }
  }
  // Each of the 126 choices of four of nine places is left out once in e¹⁵ such draws.
  EXPECT_EQ(places.size(), 126u);
}

TEST(SelectiveCopy, WithoutEvidenceTheSymbolsTellNothing) {
  constexpr int kCount = 16000;
  const TaskBatch batch =
      draw("selective_copy", kCount / kCopied, {.distance = 4}, Evidence::kRemoved);
  int right = 0;
  for (std::size_t i = 0; i < std::size_t(kCount); ++i) {
    right += batch.tokens[i / 4 * 8 + i % 4] == batch.targets[i];
  }
  EXPECT_NEAR(right, kCount / 14., five_sigmas(1. / 14, kCount));
}

}  // namespace
}  // namespace seqbench
