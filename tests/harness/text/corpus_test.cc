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

TEST_F(CorpusTest, StreamsReadTheirPartsOverAndOver) {
  for (const std::string& unit : {std::string("0123456789abc"), std::string("ä€0123456789")}) {
    std::string text;
    while (text.size() < 1500) text += unit;
    text += std::string(text.size() / 9, '#');
    const Corpus corpus = corpus_of(text);
    const SequenceShape shape{.batch = 3, .steps = 7};
    corpus.require_streams(shape);
    Random random(2);
    TextStreams streams = corpus.start_streams(random, shape);
    std::vector<std::string> read(3);
    std::vector<int> restarts(3);
    for (int segment = 0; segment < 200; ++segment) {
      TaskBatch batch;
      corpus.read_segments(streams, shape, batch);
      ASSERT_EQ(batch.answers(), 21);
      EXPECT_TRUE(corpus.has_streams_at(streams.places, 3));
      for (std::size_t b = 0; b < 3; ++b) {
        const auto row = [&](const std::vector<Token>& tokens) {
          const auto first = tokens.begin() + std::ptrdiff_t(7 * b);
          return spelled(corpus, std::vector<Token>(first, first + 7));
        };
        const std::string window = row(batch.tokens);
        EXPECT_EQ(window.find('#'), std::string::npos) << "of the last tenth";
        EXPECT_EQ(row(batch.targets).find('#'), std::string::npos);
        if (streams.restarted[b]) {
          ++restarts[b];
          read[b].clear();
        }
        read[b] += window;
        EXPECT_NE(text.find(read[b]), std::string::npos) << "windows follow each other";
      }
    }
    // 1,400 tokens through parts of some 450 bytes.
    for (const int count : restarts) EXPECT_GE(count, 2);
    EXPECT_FALSE(corpus.has_streams_at(streams.places, 2));
    streams.places[1] = 0;
    EXPECT_FALSE(corpus.has_streams_at(streams.places, 3));
    EXPECT_THROW(corpus.require_streams({.batch = 3, .steps = 1000}), UsageError);
  }
}

TEST_F(CorpusTest, ValidationInStreamsAsksForTheSameTokens) {
  for (const std::string& unit : {std::string("0123456789"), std::string("ä€0123456789")}) {
    std::string text;
    while (text.size() < 900) text += unit;
    const Corpus corpus = corpus_of(text);
    for (const Index count : {1, 2, 3, 50}) {
      const ValidationPlan alone = corpus.plan_validation(7, 3);
      const ValidationPlan plan = corpus.plan_streams(7, EvenParts::into(count, count > 2 ? 2 : 1));
      EXPECT_EQ(plan.streams, count);
      EXPECT_EQ(plan.tokens, alone.tokens);
      EXPECT_EQ(plan.bytes, alone.bytes);
      // By streams, what is asked for is the part in one piece.
      std::vector<std::string> asked(static_cast<std::size_t>(count));
      std::vector<Index> rounds(static_cast<std::size_t>(count), -1);
      for (const auto& windows : plan.batches) {
        TaskBatch batch;
        corpus.read_validation(windows, batch);
        for (std::size_t i = 0; i < windows.starts.size(); ++i) {
          const std::size_t stream = static_cast<std::size_t>(windows.stream) + i;
          EXPECT_EQ(windows.round, ++rounds[stream]);
          const auto first = batch.targets.begin() + std::ptrdiff_t(i) * windows.steps;
          asked[stream] += spelled(corpus, std::vector<Token>(first, first + windows.steps));
        }
      }
      std::string all;
      for (const std::string& stream : asked) all += stream;
      EXPECT_TRUE(text.ends_with(all));
      EXPECT_EQ(Index(all.size()), plan.bytes);
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
