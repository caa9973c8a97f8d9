#include "harness/tasks/grammar.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <utility>

#include "core/random.h"

namespace seqbench {
namespace {

struct NounClass {
  std::array<const char*, kNounsInClass> nouns;
  std::array<const char*, kAdjectivesInClass> adjectives;
};

constexpr std::array<NounClass, kNounClasses> kClasses = {{
    {{"animal", "dog", "cat", "horse", "cow", "goat", "rabbit", "fox", "bear", "wolf", "sheep",
      "mouse"},
     {"tired", "hungry", "scared", "sleepy"}},
    {{"street", "road", "river", "bridge", "field", "lake", "path", "valley", "canyon", "canal",
      "meadow", "highway"},
     {"wide", "steep", "icy", "flooded"}},
    {{"truck", "bus", "car", "van", "train", "boat", "tractor", "bicycle", "ship", "plane", "tram",
      "wagon"},
     {"rusty", "slow", "loaded", "noisy"}},
    {{"mat", "rug", "sofa", "bed", "chair", "bench", "table", "shelf", "carpet", "cushion",
      "pillow", "blanket"},
     {"soft", "dusty", "wobbly", "faded"}},
}};
constexpr Token kAnimal = 0, kCat = 2, kStreet = kNounsInClass, kMat = 3 * kNounsInClass;

constexpr std::array<const char*, kVerbs> kVerbWords = {"cross",  "see",  "reach", "find",
                                                        "notice", "pass", "leave", "like"};
constexpr std::array<const char*, kNeutrals> kNeutralWords = {
    "yesterday", "today", "again", "perhaps", "outside", "there",
    "later",     "once",  "often", "still",   "quietly", "somehow"};
constexpr std::array kFunctionWords = {"the", "didn't", "because", "it",
                                       "was", "too",    "on",      "[hidden]"};

// By the nouns' classes, the smaller first: 00 01 02 03 11 12 13 22 23 33.
const std::array<std::vector<std::string>, kVerbClasses> kHiddenVerbs = {{
    {"jumped", "leapt"},
    {"walked", "ran"},
    {"rode", "travelled"},
    {"sat", "lay", "slept"},
    {"ended", "merged"},
    {"drove", "stopped"},
    {"landed", "fell"},
    {"crashed", "piled"},
    {"stood", "rested"},
    {"leaned", "rocked"},
}};

constexpr double kHeldOutShare = 0.1;

using NounPair = std::pair<Token, Token>;  // the smaller first

/// The same for every training: one in ten of the pairs of every two classes, in a random order
/// that starts with the textbook's.
std::vector<bool> held_out_pairs() {
  std::vector<bool> held_out(kNouns * kNouns);
  Random random(1);
  for (Index a = 0; a < kNounClasses; ++a) {
    for (Index b = a; b < kNounClasses; ++b) {
      std::vector<NounPair> pairs;
      for (Index i = 0; i < kNounsInClass; ++i) {
        for (Index j = a == b ? i + 1 : 0; j < kNounsInClass; ++j) {
          pairs.emplace_back(a * kNounsInClass + i, b * kNounsInClass + j);
        }
      }
      shuffle(random, pairs);
      std::stable_partition(pairs.begin(), pairs.end(), [](const NounPair& pair) {
        return pair == NounPair(kAnimal, kStreet) || pair == NounPair(kCat, kMat);
      });
      pairs.resize(std::size_t(std::lround(kHeldOutShare * double(pairs.size()))));
      for (const auto& [noun, other] : pairs) {
        held_out[std::size_t(noun * kNouns + other)] = true;
        held_out[std::size_t(other * kNouns + noun)] = true;
      }
    }
  }
  return held_out;
}

}  // namespace

const std::vector<std::string>& grammar_words() {
  static const std::vector<std::string> words = [] {
    std::vector<std::string> list;
    for (const NounClass& one : kClasses)
      list.insert(list.end(), one.nouns.begin(), one.nouns.end());
    for (const NounClass& one : kClasses) {
      list.insert(list.end(), one.adjectives.begin(), one.adjectives.end());
    }
    list.insert(list.end(), kVerbWords.begin(), kVerbWords.end());
    list.insert(list.end(), kNeutralWords.begin(), kNeutralWords.end());
    list.insert(list.end(), kFunctionWords.begin(), kFunctionWords.end());
    assert(Index(list.size()) == kGrammarWords);
    return list;
  }();
  return words;
}

bool is_noun(Token token) { return token >= 0 && token < kNouns; }

Index noun_class(Token noun) {
  assert(is_noun(noun));
  return noun / kNounsInClass;
}

Index adjective_class(Token adjective) {
  assert(adjective >= kFirstAdjective && adjective < kFirstVerb);
  return (adjective - kFirstAdjective) / kAdjectivesInClass;
}

Index verb_class(Token noun, Token other_noun) {
  const auto [a, b] = std::minmax({noun_class(noun), noun_class(other_noun)});
  return a * kNounClasses - a * (a - 1) / 2 + b - a;  // rows of a triangle, each one shorter
}

const std::vector<std::string>& verbs_of_class(Index verb_class) {
  return kHiddenVerbs[std::size_t(verb_class)];
}

bool is_held_out(Token noun, Token other_noun) {
  static const std::vector<bool> held_out = held_out_pairs();
  return held_out[std::size_t(noun * kNouns + other_noun)];
}

}  // namespace seqbench
