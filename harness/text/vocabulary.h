// What a text's tokens are: its bytes, or the characters of its own alphabet.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/embedding.h"
#include "core/tensor.h"

namespace seqbench {

enum class VocabularyKind { kBytes, kCharacters };
inline constexpr const char* kVocabularyNames[] = {"bytes", "characters"};  // in that order

/// Longest encoding of a character in UTF-8.
constexpr Index kLongestCharacter = 4;

class Vocabulary {
 public:
  /// All 256 bytes.
  Vocabulary();
  /// These characters (Unicode's code points), ascending, each once.
  explicit Vocabulary(std::vector<char32_t> characters);

  VocabularyKind kind() const { return kind_; }
  /// V: tokens lie in [0, V).
  Index size() const { return Index(spellings_.size()); }
  /// Bytes that a token takes at most.
  Index longest() const { return longest_; }
  /// Its bytes in the text.
  const std::string& spelling(Token token) const {
    return spellings_[static_cast<std::size_t>(token)];
  }
  /// All characters behind each other; empty for bytes.
  const std::string& alphabet() const { return alphabet_; }

  /// Appends up to `most` tokens that `text` begins with, and returns how many bytes they take: it
  /// ends before what is no token of this vocabulary, such as a character that is cut off.
  std::size_t encode(std::string_view text, std::size_t most, std::vector<Token>& tokens) const;
  /// False for the bytes of a character but its first one.
  bool is_start(char byte) const {
    return kind_ == VocabularyKind::kBytes || (static_cast<unsigned char>(byte) & 0xc0) != 0x80;
  }

 private:
  VocabularyKind kind_;
  std::vector<std::string> spellings_;  // by token
  std::vector<Token> tokens_;           // by byte or code point; −1: none
  Index longest_ = 1;
  std::string alphabet_;
};

/// The characters of a text that arrives in pieces, as long as it is UTF-8.
class AlphabetSurvey {
 public:
  void add(std::string_view bytes);
  /// Behind the last piece: whether all of it was UTF-8.
  bool is_utf8() const { return valid_ && rest_.empty(); }
  /// Ascending, each once.
  std::vector<char32_t> characters() const;

 private:
  bool valid_ = true;
  std::string rest_;        // of a character whose end has not arrived
  std::vector<bool> seen_;  // by code point
};

/// The characters of `alphabet`, which is UTF-8.
std::vector<char32_t> characters_of(std::string_view alphabet);

}  // namespace seqbench
