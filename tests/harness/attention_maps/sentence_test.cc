#include "harness/attention_maps/sentence.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "harness/base/errors.h"
#include "harness/tasks/grammar.h"
#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"
#include "harness/tasks/tasks.h"

namespace seqbench {
namespace {

TEST(ParseSentence, ResolvesTheTextbooks) {
  const std::string it = "The animal didn't cross the street because it was too ";
  for (const auto& [text, answer] : {std::pair(it + "tired", "animal"),
                                     {it + "wide.", "street"},
                                     {"The cat sat on the mat.", "sat"}}) {
    const Sentence sentence = parse_sentence(text);
    EXPECT_EQ(answer_word(*sentence.task, sentence.batch.targets.front()), answer);
    EXPECT_EQ(sentence.distance, 0);
    EXPECT_EQ(sentence.task->setup, "encoder");
    EXPECT_EQ(Index(sentence.words.size()), sentence.batch.shape.steps);
  }
}

TEST(ParseSentence, KeepsTheWordsAndHidesTheVerb) {
  const Sentence sentence = parse_sentence("The Cat SLEPT on  the bed today!");
  EXPECT_EQ(sentence.words,
            (std::vector<std::string>{"The", "Cat", "SLEPT", "on", "the", "bed", "today"}));
  EXPECT_EQ(sentence.batch.tokens[kHiddenVerbAt], kHidden);
  EXPECT_EQ(sentence.query(), kHiddenVerbAt);
  EXPECT_EQ(sentence.distance, 1);
}

TEST(ParseSentence, ReadsWhatTheTaskDraws) {
  for (const std::string name : {"coreference", "hidden_verb"}) {
    const Task& task = task_by_name(name, "encoder");
    Random random(1);
    TaskBatch batch;
    task.draw(random, {.sequences = 30, .setting = {.distance = 4}}, batch);
    const Index T = batch.shape.steps;
    for (Index b = 0; b < 30; ++b) {
      std::string text;
      for (Index t = 0; t < T; ++t) {
        const Token token = batch.tokens[std::size_t(b * T + t)];
        const Token target = batch.targets[std::size_t(b)];
        text += (token == kHidden ? verbs_of_class(target).back()
                                  : grammar_words()[std::size_t(token)]) +
                " ";
      }
      const Sentence sentence = parse_sentence(text);
      EXPECT_EQ(sentence.task, &task);
      EXPECT_EQ(sentence.batch.targets.front(), batch.targets[std::size_t(b)]);
      EXPECT_EQ(sentence.query(), batch.answer_rows[std::size_t(b)] % T);
      EXPECT_TRUE(std::equal(sentence.batch.tokens.begin(), sentence.batch.tokens.end(),
                             batch.tokens.begin() + b * T));
    }
  }
}

TEST(ParseSentence, SaysWhatIsWrong) {
  const auto message = [](const std::string& text) -> std::string {
    try {
      parse_sentence(text);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "accepted";
  };
  for (const auto& [text, parts] : std::vector<std::pair<std::string, std::vector<std::string>>>{
           {"The unicorn sat on the mat", {"'unicorn'", "animal", "slept", "because"}},
           {"The [hidden] sat on the mat", {"'[hidden]'", "unknown"}},
           {"The cat sat", {"3 words", "at least 6"}},
           {"The cat on on the mat", {"word 3", "'on'", "a verb", "sat"}},
           {"The cat sat on the tired", {"word 6", "'tired'", "a noun"}},
           {"The animal didn't cross the street because it was too soft", {"no answer", "'soft'"}},
           {"The cat didn't see the dog because it was too tired", {"no answer", "'cat'", "'dog'"}},
           {"The cat drove on the mat",
            {"no answer", "'drove'", "'cat'", "'mat'", "only sat, lay"}},
           {"The cat didn't see the bus the because it was too tired", {"word 7", "filler"}}}) {
    for (const std::string& part : parts) {
      EXPECT_NE(message(text).find(part), std::string::npos) << message(text);
    }
  }
}

}  // namespace
}  // namespace seqbench
