// The words and rules of the two families of sentences behind the tasks coreference and
// hidden_verb:
//
//   the N1 didn't V the N2 FILLER… because it was too ADJ     what "it" is follows from ADJ
//   the N1 [hidden] on the N2 FILLER…                         the verb follows from both nouns
//
// Nouns come in classes, and an adjective belongs to one of them: an animal gets tired, a street is
// wide. "it" is the noun of the adjective's class. Every two classes have verbs of their own, in
// either order: one noun alone leaves four kinds of verbs as likely as each other.
#pragma once

#include <string>
#include <vector>

#include "core/embedding.h"

namespace seqbench {

constexpr Index kNounClasses = 4;
constexpr Index kNounsInClass = 12;
constexpr Index kNouns = kNounClasses * kNounsInClass;
constexpr Index kAdjectivesInClass = 4;
constexpr Index kVerbClasses = kNounClasses * (kNounClasses + 1) / 2;  // unordered pairs

// Tokens. Nouns come first, so that one of them is also the answer's number.
constexpr Token kFirstAdjective = kNouns;
constexpr Token kFirstVerb = kFirstAdjective + kNounClasses * kAdjectivesInClass;
constexpr Index kVerbs = 8;  // of the first family
constexpr Token kFirstNeutral = kFirstVerb + kVerbs;
constexpr Index kNeutrals = 12;  // words of the filler that are no nouns
constexpr Token kThe = kFirstNeutral + kNeutrals;
constexpr Token kDidnt = kThe + 1;
constexpr Token kBecause = kThe + 2;
constexpr Token kIt = kThe + 3;
constexpr Token kWas = kThe + 4;
constexpr Token kToo = kThe + 5;
constexpr Token kOn = kThe + 6;
constexpr Token kHidden = kThe + 7;  // stands where the verb of the second family is
constexpr Index kGrammarWords = kHidden + 1;

// Where words stand: the same places in both families, and what follows the filler counted from the
// end.
constexpr Index kNounAt = 1;
constexpr Index kHiddenVerbAt = 2;
constexpr Index kOtherNounAt = 5;
constexpr Index kFillerAt = 6;
constexpr Index kItFromEnd = 4;          // "it was too ADJ"
constexpr Index kCoreferenceWords = 11;  // of a sentence without filler
constexpr Index kHiddenVerbWords = 6;

/// Every token's word.
const std::vector<std::string>& grammar_words();

bool is_noun(Token token);
Index noun_class(Token noun);
Index adjective_class(Token adjective);

/// The class of the verb that these nouns have.
Index verb_class(Token noun, Token other_noun);
/// The verbs of a class, whose first one is its name.
const std::vector<std::string>& verbs_of_class(Index verb_class);

/// Whether two different nouns stand together only in tests: one pair in ten, the same ones always,
/// among them those of the textbook (animal and street, cat and mat). Symmetric.
bool is_held_out(Token noun, Token other_noun);

}  // namespace seqbench
