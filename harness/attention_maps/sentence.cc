#include "harness/attention_maps/sentence.h"

#include <algorithm>
#include <cctype>
#include <functional>
#include <sstream>

#include "harness/base/command_line.h"
#include "harness/base/errors.h"
#include "harness/tasks/grammar.h"
#include "harness/tasks/tasks.h"

namespace seqbench {
namespace {

constexpr const char* kForms =
    "\"the N1 didn't V the N2 FILLER because it was too ADJ\" or \"the N1 V on the N2 FILLER\"";

[[noreturn]] void refuse(const std::string& text, const std::string& reason) {
  throw UsageError("--sentence: '" + text + "' " + reason);
}

/// In lower case, with the plain apostrophe of the vocabulary.
std::string as_known(std::string word) {
  const std::string curly = "\u2019";
  if (const auto at = word.find(curly); at != std::string::npos) {
    word.replace(at, curly.size(), 1, '\'');
  }
  std::ranges::transform(word, word.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return word;
}

std::vector<std::string> split_words(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) {
    word.erase(word.find_last_not_of(".,!?") + 1);
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

std::optional<Index> class_of_hidden_verb(const std::string& word) {
  for (Index c = 0; c < kVerbClasses; ++c) {
    const auto& verbs = verbs_of_class(c);
    if (std::ranges::find(verbs, word) != verbs.end()) return c;
  }
  return std::nullopt;
}

/// What may stand at one place of a sentence.
struct Place {
  std::string what;  // for errors
  std::function<bool(Token)> allows;
};

Place one_word(Token token) {
  return {"'" + grammar_words()[std::size_t(token)] + "'",
          [token](Token found) { return found == token; }};
}

Place range(const std::string& what, Token first, Token end) {
  return {what + " such as '" + grammar_words()[std::size_t(first)] + "'",
          [first, end](Token found) { return found >= first && found < end; }};
}

Place noun() { return range("a noun", 0, kFirstAdjective); }

/// The places of a sentence with so many filler words.
std::vector<Place> places_of(bool coreference, Index filler) {
  std::vector<Place> places = {one_word(kThe), noun()};
  if (coreference) {
    places.insert(places.end(), {one_word(kDidnt), range("a verb", kFirstVerb, kFirstNeutral)});
  } else {
    const std::string example = verbs_of_class(verb_class(0, kNouns - 1)).front();
    places.push_back({"a verb such as '" + example + "'", one_word(kHidden).allows});
    places.push_back(one_word(kOn));
  }
  places.insert(places.end(), {one_word(kThe), noun()});
  for (Index w = 0; w < filler; ++w) {
    Place place = range("a filler word", kFirstNeutral, kThe);
    if (coreference) {
      place.allows = [neutral = place.allows](Token t) { return neutral(t) || is_noun(t); };
    }
    places.push_back(place);
  }
  if (coreference) {
    places.insert(places.end(), {one_word(kBecause), one_word(kIt), one_word(kWas), one_word(kToo),
                                 range("an adjective", kFirstAdjective, kFirstVerb)});
  }
  return places;
}

/// The noun that the adjective fits.
Token meant_noun(const std::string& text, const std::vector<Token>& tokens) {
  const Token first = tokens[kNounAt], second = tokens[kOtherNounAt];
  const Index fits = adjective_class(tokens.back());
  const bool fits_first = noun_class(first) == fits, fits_second = noun_class(second) == fits;
  if (fits_first != fits_second) return fits_first ? first : second;
  const auto& words = grammar_words();
  refuse(text, "has no answer: '" + words[std::size_t(tokens.back())] + "' must fit one of '" +
                   words[std::size_t(first)] + "' and '" + words[std::size_t(second)] +
                   "', and not the other");
}

/// The class of the verb that the nouns have; the one written must be of it.
Token meant_verb_class(const std::string& text, const std::vector<Token>& tokens,
                       const std::string& verb) {
  const Token first = tokens[kNounAt], second = tokens[kOtherNounAt];
  const Index meant = verb_class(first, second);
  if (class_of_hidden_verb(as_known(verb)) == meant) return static_cast<Token>(meant);
  const auto& words = grammar_words();
  refuse(text, "has no answer: '" + verb + "' does not fit '" + words[std::size_t(first)] +
                   "' and '" + words[std::size_t(second)] + "', but only " +
                   join(verbs_of_class(meant)));
}

}  // namespace

std::vector<std::string> known_words() {
  std::vector<std::string> words = grammar_words();
  std::erase(words, grammar_words()[kHidden]);
  for (Index c = 0; c < kVerbClasses; ++c) {
    words.insert(words.end(), verbs_of_class(c).begin(), verbs_of_class(c).end());
  }
  return words;
}

Sentence parse_sentence(const std::string& text) {
  Sentence sentence;
  sentence.text = text;
  sentence.words = split_words(text);
  std::vector<Token> tokens;
  for (const std::string& word : sentence.words) {
    const std::string known = as_known(word);
    const auto found = std::ranges::find(grammar_words(), known);
    if (found != grammar_words().end() && known != grammar_words()[kHidden]) {
      tokens.push_back(static_cast<Token>(found - grammar_words().begin()));
    } else if (class_of_hidden_verb(known)) {
      tokens.push_back(kHidden);
    } else {
      refuse(text, "has an unknown word, '" + word + "'; known are " + join(known_words()));
    }
  }

  const auto count = static_cast<Index>(tokens.size());
  const bool coreference = std::ranges::find(tokens, kBecause) != tokens.end();
  const Index least = coreference ? kCoreferenceWords : kHiddenVerbWords;
  if (count < least) {
    refuse(text, "has " + std::to_string(count) + " words; expected at least " +
                     std::to_string(least) + ", in the form " + kForms);
  }
  sentence.distance = count - least;
  const auto places = places_of(coreference, sentence.distance);
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (places[i].allows(tokens[i])) continue;
    refuse(text, "is not of the form " + std::string(kForms) + ": its word " +
                     std::to_string(i + 1) + " is '" + sentence.words[i] + "'; expected " +
                     places[i].what);
  }

  sentence.task = &task_by_name(coreference ? "coreference" : "hidden_verb", "encoder");
  sentence.batch.start({1, count});
  if (coreference) {
    sentence.batch.answer_rows = {count - kItFromEnd};
    sentence.batch.targets = {meant_noun(text, tokens)};
  } else {
    sentence.batch.answer_rows = {kHiddenVerbAt};
    sentence.batch.targets = {meant_verb_class(text, tokens, sentence.words[kHiddenVerbAt])};
  }
  sentence.batch.tokens = std::move(tokens);
  return sentence;
}

std::string answer_word(const Task& task, Token answer) {
  return task.answers == kNouns ? grammar_words()[std::size_t(answer)]
                                : verbs_of_class(answer).front();
}

}  // namespace seqbench
