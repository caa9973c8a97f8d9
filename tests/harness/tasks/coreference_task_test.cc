#include <gtest/gtest.h>

#include <algorithm>

#include "harness/tasks/grammar.h"
#include "tests/harness/tasks/draw.h"

namespace seqbench {
namespace {

class EverySetup : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Setups, EverySetup, ::testing::Values("causal", "encoder"));

TEST_P(EverySetup, AsksForTheNounThatTheAdjectiveFits) {
  for (const Split split : {Split::kTraining, Split::kTest}) {
    for (const Index filler : {0, 1, 9}) {
      const TaskBatch batch = draw("coreference", GetParam(), 200, filler, split);
      const Index T = batch.shape.steps;
      ASSERT_EQ(T, 11 + filler);
      for (Index b = 0; b < 200; ++b) {
        const Token* const x = batch.tokens.data() + b * T;
        const Token first = x[kNounAt], second = x[kOtherNounAt];
        EXPECT_NE(noun_class(first), noun_class(second));
        EXPECT_EQ(is_held_out(first, second), split == Split::kTest);
        const bool is_first = noun_class(first) == adjective_class(x[T - 1]);
        EXPECT_TRUE(is_first || noun_class(second) == adjective_class(x[T - 1]));
        EXPECT_EQ(batch.targets[std::size_t(b)], is_first ? first : second);
        EXPECT_EQ(x[T - 4], kIt);
        EXPECT_EQ(batch.answer_rows[std::size_t(b)] % T, GetParam() == "causal" ? T - 1 : T - 4);
        Index attractors = 0;
        for (Index w = 0; w < filler; ++w) {
          if (!is_noun(x[kFillerAt + w])) continue;
          ++attractors;
          EXPECT_NE(noun_class(x[kFillerAt + w]), noun_class(first));
          EXPECT_NE(noun_class(x[kFillerAt + w]), noun_class(second));
        }
        EXPECT_LE(attractors, 3);
      }
    }
  }
}

TEST(Coreference, NeitherTheFirstNounNorTheNearestIsRightMoreOftenThanNot) {
  constexpr Index kCount = 8000;
  const TaskBatch batch = draw("coreference", "causal", kCount, 4, Split::kTraining);
  int first = 0;
  for (Index b = 0; b < kCount; ++b) {
    first += batch.tokens[std::size_t(b * 15 + kNounAt)] == batch.targets[std::size_t(b)];
  }
  EXPECT_NEAR(first, kCount * 0.5, five_sigmas(0.5, kCount));
}

TEST(Coreference, TestsComeInPairsThatDifferInTheAdjectiveAlone) {
  const TaskBatch batch = draw("coreference", "encoder", 100, 5, Split::kTest);
  const Index T = batch.shape.steps;
  EXPECT_TRUE(batch.minimal_pairs);
  EXPECT_FALSE(draw("coreference", "encoder", 4, 5, Split::kTraining).minimal_pairs);
  for (Index b = 0; b < 100; b += 2) {
    const Token* const x = batch.tokens.data() + b * T;
    EXPECT_TRUE(std::equal(x, x + T - 1, x + T));
    EXPECT_NE(adjective_class(x[T - 1]), adjective_class(x[2 * T - 1]));
    EXPECT_NE(batch.targets[std::size_t(b)], batch.targets[std::size_t(b + 1)]);
  }
}

TEST(Coreference, WithoutEvidenceTheAdjectiveFitsTheAnswerByChanceOnly) {
  constexpr Index kCount = 8000;
  const TaskBatch batch =
      draw("coreference", "encoder", kCount, 0, Split::kTraining, Evidence::kRemoved);
  int right = 0;
  for (Index b = 0; b < kCount; ++b) {
    const Token adjective = batch.tokens[std::size_t(b * 11 + 10)];
    right += noun_class(batch.targets[std::size_t(b)]) == adjective_class(adjective);
  }
  EXPECT_NEAR(right, kCount * 0.5, five_sigmas(0.5, kCount));
}

}  // namespace
}  // namespace seqbench
