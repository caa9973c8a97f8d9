#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "harness/tasks/grammar.h"
#include "tests/harness/tasks/draw.h"

namespace seqbench {
namespace {

TEST(HiddenVerb, AsksForTheVerbOfBothNouns) {
  for (const Split split : {Split::kTraining, Split::kTest}) {
    const TaskBatch batch = draw("hidden_verb", "encoder", 300, 2, split);
    ASSERT_EQ(batch.shape.steps, 8);
    for (Index b = 0; b < 300; ++b) {
      const Token* const x = batch.tokens.data() + b * 8;
      EXPECT_EQ(batch.targets[std::size_t(b)], verb_class(x[kNounAt], x[kOtherNounAt]));
      EXPECT_EQ(is_held_out(x[kNounAt], x[kOtherNounAt]), split == Split::kTest);
      EXPECT_EQ(x[kHiddenVerbAt], kHidden);
      EXPECT_EQ(batch.answer_rows[std::size_t(b)], b * 8 + kHiddenVerbAt);
    }
  }
}

TEST(HiddenVerb, TheLikeliestVerbIsAsLikelyAsDeclaredAndOneNounLeavesFour) {
  constexpr Index kCount = 16000;
  const TaskBatch batch = draw("hidden_verb", "encoder", kCount, 0, Split::kTest);
  const Task& task = task_by_name("hidden_verb");
  std::vector<int> all(kVerbClasses), of_animals(kVerbClasses);
  int animals = 0;
  for (Index b = 0; b < kCount; ++b) {
    const auto verb = std::size_t(batch.targets[std::size_t(b)]);
    ++all[verb];
    if (noun_class(batch.tokens[std::size_t(b * 6 + kNounAt)]) != 0) continue;
    ++animals;
    ++of_animals[verb];
  }
  double entropy = 0;
  for (const int n : all) entropy -= n / double(kCount) * std::log(n / double(kCount));
  const double chance = task.chance({});
  EXPECT_NEAR(*std::max_element(all.begin(), all.end()), kCount * chance,
              five_sigmas(chance, kCount));
  // An entropy estimate is off by some (classes − 1)/2n and its deviation, below 1/√n.
  EXPECT_NEAR(entropy, task.baseline_loss({}), 5 / std::sqrt(double(kCount)));
  EXPECT_NEAR(*std::max_element(of_animals.begin(), of_animals.end()), animals * 0.25,
              five_sigmas(0.25, animals));
}

TEST(HiddenVerb, WithoutEvidenceTheVerbIsThatOfOtherNouns) {
  constexpr Index kCount = 8000;
  const TaskBatch batch =
      draw("hidden_verb", "encoder", kCount, 0, Split::kTest, Evidence::kRemoved);
  int right = 0;
  for (Index b = 0; b < kCount; ++b) {
    const Token* const x = batch.tokens.data() + b * 6;
    right += batch.targets[std::size_t(b)] == verb_class(x[kNounAt], x[kOtherNounAt]);
  }
  const double p = 6 / 64. + 4 / 256.;  // two draws alike: six verbs of 1/8, four of 1/16
  EXPECT_NEAR(right, kCount * p, five_sigmas(p, kCount));
}

}  // namespace
}  // namespace seqbench
