#include "harness/tasks/grammar.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"
#include "harness/tasks/tasks.h"

namespace seqbench {
namespace {

Token token_of(const std::string& word) {
  const auto& words = grammar_words();
  return static_cast<Token>(std::find(words.begin(), words.end(), word) - words.begin());
}

TEST(Grammar, EveryWordStandsOnce) {
  EXPECT_EQ(Index(grammar_words().size()), kGrammarWords);
  std::set<std::string> words(grammar_words().begin(), grammar_words().end());
  for (Index c = 0; c < kVerbClasses; ++c) {
    EXPECT_FALSE(verbs_of_class(c).empty());
    for (const std::string& verb : verbs_of_class(c)) {
      EXPECT_TRUE(words.insert(verb).second) << verb;
    }
  }
}

TEST(Grammar, TokensAreTheirWords) {
  EXPECT_EQ(token_of("the"), kThe);
  EXPECT_EQ(token_of("it"), kIt);
  EXPECT_EQ(token_of("on"), kOn);
  EXPECT_EQ(token_of("[hidden]"), kHidden);
  EXPECT_EQ(token_of("cross"), kFirstVerb);
  EXPECT_EQ(adjective_class(token_of("tired")), noun_class(token_of("animal")));
  EXPECT_EQ(adjective_class(token_of("wide")), noun_class(token_of("street")));
}

TEST(Grammar, VerbsAreOfUnorderedPairsOfClasses) {
  std::map<Index, int> counts;
  for (Index a = 0; a < kNounClasses; ++a) {
    for (Index b = 0; b < kNounClasses; ++b) {
      const Token noun = Token(a * kNounsInClass), other = Token(b * kNounsInClass + 1);
      EXPECT_EQ(verb_class(noun, other), verb_class(other, noun));
      ++counts[verb_class(noun, other)];
    }
  }
  EXPECT_EQ(Index(counts.size()), kVerbClasses);
  for (const auto& [c, count] : counts) EXPECT_TRUE(c >= 0 && c < kVerbClasses && count <= 2);
  EXPECT_EQ(verbs_of_class(verb_class(token_of("cat"), token_of("mat"))).front(), "sat");
}

TEST(Grammar, OnePairInTenIsHeldOutAmongThemTheTextbooks) {
  std::map<std::pair<Index, Index>, int> counts;
  for (Token n = 0; n < kNouns; ++n) {
    EXPECT_FALSE(is_held_out(n, n));
    for (Token m = n + 1; m < kNouns; ++m) {
      EXPECT_EQ(is_held_out(n, m), is_held_out(m, n));
      counts[{noun_class(n), noun_class(m)}] += is_held_out(n, m);
    }
  }
  for (const auto& [classes, count] : counts) {
    EXPECT_EQ(count, classes.first == classes.second ? 7 : 14);  // of 66, of 144
  }
  EXPECT_TRUE(is_held_out(token_of("animal"), token_of("street")));
  EXPECT_TRUE(is_held_out(token_of("mat"), token_of("cat")));
}

TaskBatch draw(const std::string& task, const std::string& setup, Index count, Index filler,
               Split split, Evidence evidence = Evidence::kGiven) {
  Random random(5);
  TaskBatch batch;
  task_by_name(task, setup)
      .draw(random,
            {.sequences = count,
             .setting = {.distance = filler},
             .evidence = evidence,
             .split = split},
            batch);
  return batch;
}

// Five standard errors of a binomial count: a fair draw fails one such test in two million seeds.
double five_sigmas(double p, double n) { return 5 * std::sqrt(p * (1 - p) * n); }

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
