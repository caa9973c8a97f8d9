#include "harness/tasks/grammar.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

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

}  // namespace
}  // namespace seqbench
