#include "harness/text/vocabulary.h"

#include <gtest/gtest.h>

namespace seqbench {
namespace {

std::vector<Token> encoded(const Vocabulary& vocabulary, std::string_view text,
                           std::size_t* taken = nullptr) {
  std::vector<Token> tokens;
  const std::size_t bytes = vocabulary.encode(text, text.size(), tokens);
  if (taken != nullptr) *taken = bytes;
  return tokens;
}

TEST(Vocabulary, OfBytesSpellsAnyFile) {
  const Vocabulary bytes;
  EXPECT_EQ(bytes.size(), 256);
  EXPECT_EQ(bytes.longest(), 1);
  const std::string text("\0\xffz\xc3", 4);
  const auto tokens = encoded(bytes, text);
  EXPECT_EQ(tokens, (std::vector<Token>{0, 255, 122, 195}));
  std::string spelled;
  for (const Token token : tokens) spelled += bytes.spelling(token);
  EXPECT_EQ(spelled, text);
}

TEST(Vocabulary, OfCharactersFollowsTheirCodePoints) {
  const Vocabulary vocabulary(characters_of("bäa€"));
  EXPECT_EQ(vocabulary.alphabet(), "abä€");
  EXPECT_EQ(vocabulary.size(), 4);
  EXPECT_EQ(vocabulary.longest(), 3);
  EXPECT_EQ(encoded(vocabulary, "€äba"), (std::vector<Token>{3, 2, 1, 0}));
  EXPECT_EQ(vocabulary.spelling(3), "€");
}

TEST(Vocabulary, EndsBeforeWhatItDoesNotHave) {
  const Vocabulary vocabulary(characters_of("abä"));
  std::size_t taken = 0;
  EXPECT_EQ(encoded(vocabulary, "abxa", &taken), (std::vector<Token>{0, 1}));
  EXPECT_EQ(taken, 2u);
  EXPECT_EQ(encoded(vocabulary, "aö", &taken), (std::vector<Token>{0}));
  EXPECT_EQ(encoded(vocabulary, "a\xc3", &taken), (std::vector<Token>{0}));
  EXPECT_EQ(taken, 1u);
  std::vector<Token> tokens;
  EXPECT_EQ(vocabulary.encode("äab", 2, tokens), 3u);
  EXPECT_EQ(tokens, (std::vector<Token>{2, 0}));
}

TEST(AlphabetSurvey, SeesCharactersThatArriveInPieces) {
  AlphabetSurvey survey;
  for (const char byte : std::string("a€b")) survey.add({&byte, 1});
  EXPECT_TRUE(survey.is_utf8());
  EXPECT_EQ(survey.characters(), (std::vector<char32_t>{'a', 'b', 0x20ac}));
}

TEST(AlphabetSurvey, TellsWhatIsNoUtf8) {
  AlphabetSurvey binary, cut_off;
  binary.add("a\xff");
  cut_off.add("a\xe2\x82");
  EXPECT_FALSE(binary.is_utf8());
  EXPECT_FALSE(cut_off.is_utf8());
}

}  // namespace
}  // namespace seqbench
