#include "harness/text/vocabulary.h"

#include <algorithm>
#include <boost/locale/utf.hpp>
#include <cassert>
#include <iterator>

namespace seqbench {
namespace {

namespace utf = boost::locale::utf;
using Utf8 = utf::utf_traits<char>;

constexpr std::size_t kCodePoints = 0x110000;

std::string spelled(char32_t character) {
  std::string bytes;
  Utf8::encode(character, std::back_inserter(bytes));
  return bytes;
}

/// The character that `text`, not empty, begins with; `length` becomes its bytes. utf::illegal, or
/// utf::incomplete where the text ends within it.
utf::code_point first_character(std::string_view text, std::size_t& length) {
  const char* end = text.data();
  const utf::code_point character = Utf8::decode(end, text.data() + text.size());
  length = static_cast<std::size_t>(end - text.data());
  return character;
}

bool is_character(utf::code_point character) {
  return character != utf::illegal && character != utf::incomplete;
}

}  // namespace

Vocabulary::Vocabulary() : kind_(VocabularyKind::kBytes), tokens_(256) {
  for (int byte = 0; byte < 256; ++byte) {
    spellings_.emplace_back(1, static_cast<char>(byte));
    tokens_[static_cast<std::size_t>(byte)] = byte;
  }
}

Vocabulary::Vocabulary(std::vector<char32_t> characters) : kind_(VocabularyKind::kCharacters) {
  assert(!characters.empty() && std::ranges::is_sorted(characters));
  tokens_.assign(characters.back() + 1, -1);
  for (const char32_t character : characters) {
    tokens_[character] = static_cast<Token>(spellings_.size());
    spellings_.push_back(spelled(character));
    longest_ = std::max(longest_, Index(spellings_.back().size()));
    alphabet_ += spellings_.back();
  }
}

std::size_t Vocabulary::encode(std::string_view text, std::size_t most,
                               std::vector<Token>& tokens) const {
  std::size_t taken = 0;
  for (std::size_t count = 0; count < most && taken < text.size(); ++count) {
    std::size_t place = static_cast<unsigned char>(text[taken]), length = 1;
    if (kind_ == VocabularyKind::kCharacters && place >= 0x80) {
      const utf::code_point character = first_character(text.substr(taken), length);
      if (!is_character(character)) break;
      place = character;
    }
    if (place >= tokens_.size() || tokens_[place] < 0) break;
    tokens.push_back(tokens_[place]);
    taken += length;
  }
  return taken;
}

void AlphabetSurvey::add(std::string_view bytes) {
  if (!valid_) return;
  seen_.resize(kCodePoints);
  const std::string text = rest_ + std::string(bytes);
  rest_.clear();
  for (std::size_t at = 0; at < text.size();) {
    std::size_t length = 0;
    const utf::code_point character = first_character(std::string_view(text).substr(at), length);
    if (character == utf::incomplete) {
      rest_ = text.substr(at);
      return;
    }
    if (character == utf::illegal) {
      valid_ = false;
      return;
    }
    seen_[character] = true;
    at += length;
  }
}

std::vector<char32_t> AlphabetSurvey::characters() const {
  std::vector<char32_t> found;
  for (std::size_t character = 0; character < seen_.size(); ++character) {
    if (seen_[character]) found.push_back(static_cast<char32_t>(character));
  }
  return found;
}

std::vector<char32_t> characters_of(std::string_view alphabet) {
  AlphabetSurvey survey;
  survey.add(alphabet);
  return survey.characters();
}

}  // namespace seqbench
