#include "harness/text/corpus.h"

#include <gtest/gtest.h>

#include "harness/base/errors.h"
#include "tests/harness/temporary_folder.h"

namespace seqbench {
namespace {

class CorpusTest : public FolderTest {
 protected:
  Corpus corpus_of(const std::string& text, std::optional<VocabularyKind> kind = {}) const {
    std::ofstream(folder_ / "text") << text;
    return Corpus(folder_ / "text", kind);
  }
  static std::string spelled(const Corpus& corpus, const std::vector<Token>& tokens) {
    std::string text;
    for (const Token token : tokens) text += corpus.vocabulary().spelling(token);
    return text;
  }
};

TEST_F(CorpusTest, ChoosesCharactersForAFewAndBytesElse) {
  EXPECT_EQ(corpus_of("abcabc").vocabulary().size(), 3);
  EXPECT_EQ(corpus_of("abc\xff").vocabulary().size(), 256);
  EXPECT_EQ(corpus_of("abcabc", VocabularyKind::kBytes).vocabulary().size(), 256);
  std::string many;  // 300 characters of two bytes
  for (int code = 0x100; code < 0x100 + 300; ++code) {
    many += {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))};
  }
  EXPECT_EQ(corpus_of(many).vocabulary().size(), 256);
  EXPECT_EQ(corpus_of(many, VocabularyKind::kCharacters).vocabulary().size(), 300);
  EXPECT_THROW(corpus_of("abc\xff", VocabularyKind::kCharacters), UsageError);
}

TEST_F(CorpusTest, TrainingNeverReadsTheLastTenth) {
  // Digits are in the last tenth alone.
  std::string text;
  for (int i = 0; i < 90; ++i) text += static_cast<char>('a' + i % 26);
  text += "0123456789";
  const Corpus corpus = corpus_of(text);
  Random random(3);
  TaskBatch batch;
  bool first = false, last = false;
  for (int draw = 0; draw < 400; ++draw) {
    corpus.draw_training(random, {2, 5}, batch);
    ASSERT_EQ(batch.tokens.size(), 10u);
    ASSERT_EQ(batch.answers(), 10);
    for (Index b = 0; b < 2; ++b) {
      const auto at = [b](const std::vector<Token>& row) {
        return std::vector<Token>(row.begin() + 5 * b, row.begin() + 5 * b + 5);
      };
      const std::string read = spelled(corpus, at(batch.tokens));
      const std::string asked = spelled(corpus, at(batch.targets));
      const std::size_t place = text.find(read.substr(0, 5));
      EXPECT_EQ(read.substr(1), asked.substr(0, 4));
      EXPECT_EQ((read + asked).find_first_of("0123456789"), std::string::npos);
      first |= place == 0;
      last |= read == text.substr(84, 5);
    }
  }
  EXPECT_TRUE(first);
  EXPECT_TRUE(last);
}

TEST_F(CorpusTest, ValidationAsksForEveryTokenOfTheLastTenthOnce) {
  for (const std::string& unit : {std::string("0123456789"), std::string("ä€0123456789")}) {
    std::string text;
    while (text.size() < 900) text += unit;
    const Corpus corpus = corpus_of(text);
    for (const Index steps : {4, 7, 10}) {
      const ValidationPlan plan = corpus.plan_validation(steps, 3);
      std::string asked;
      Index tokens = 0;
      for (const auto& windows : plan.batches) {
        EXPECT_LE(windows.starts.size(), 3u);
        TaskBatch batch;
        corpus.read_validation(windows, batch);
        EXPECT_EQ(batch.shape.steps, windows.steps);
        asked += spelled(corpus, batch.targets);
        tokens += batch.answers();
      }
      const std::size_t begin = text.size() * 9 / 10;
      EXPECT_EQ(plan.tokens, tokens);
      EXPECT_EQ(plan.bytes, Index(asked.size())) << "the bytes of what is predicted";
      EXPECT_TRUE(text.ends_with(asked)) << steps;
      // But for the first token; the part begins with the character that its tenth begins in.
      EXPECT_GE(Index(asked.size()), Index(text.size() - begin) - 3);
      EXPECT_LE(Index(asked.size()), Index(text.size() - begin) + 2);
    }
  }
}

TEST_F(CorpusTest, WindowsOfLongCharactersBeginWithOne) {
  std::string text;
  while (text.size() < 1000) text += "€äa";
  const Corpus corpus = corpus_of(text);
  EXPECT_EQ(corpus.vocabulary().size(), 3);
  Random random(4);
  TaskBatch batch;
  for (int draw = 0; draw < 100; ++draw) {
    corpus.draw_training(random, {1, 9}, batch);
    EXPECT_NE(text.find(spelled(corpus, batch.tokens)), std::string::npos);
  }
}

TEST_F(CorpusTest, RefusesATextWithoutAWindowInEitherPart) {
  std::string text(95, 'a');
  text += "bcdef";
  const Corpus corpus = corpus_of(text);
  corpus.require_windows(9);
  EXPECT_THROW(corpus.require_windows(10), UsageError);
}

TEST_F(CorpusTest, NamesATextThatChanges) {
  const Corpus corpus = corpus_of(std::string(200, 'a'));
  std::ofstream(folder_ / "text") << std::string(200, 'b');
  Random random(1);
  TaskBatch batch;
  EXPECT_THROW(corpus.draw_training(random, {1, 5}, batch), FileError);
}

}  // namespace
}  // namespace seqbench
