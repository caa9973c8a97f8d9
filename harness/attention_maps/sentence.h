// A written sentence of the grammar (grammar.h) as the models read it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"

namespace seqbench {

struct Sentence {
  std::string text;                // as given
  const Task* task = nullptr;      // that asks about it, in set-up "encoder"
  Index distance = 0;              // its filler words
  std::vector<std::string> words;  // as written, without punctuation
  TaskBatch batch;                 // the sentence alone, with its right answer

  /// Where the answer is read: "it", or the hidden verb.
  Index query() const { return batch.answer_rows.front(); }
};

/// Understands a sentence; upper and lower case are the same. Throws UsageError that names the
/// word that is unknown or in the wrong place, and what is allowed.
Sentence parse_sentence(const std::string& text);

/// Every word that parse_sentence() knows.
std::vector<std::string> known_words();

/// What an answer of a task of the grammar means: a noun, or a class of verbs by its first one.
std::string answer_word(const Task& task, Token answer);

}  // namespace seqbench
