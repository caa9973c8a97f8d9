// A text as what a model is trained on and validated with: the first nine tenths of its bytes, and
// the rest, which training never reads.
#pragma once

#include <optional>
#include <vector>

#include "core/parts.h"
#include "core/random.h"
#include "harness/tasks/task_batch.h"
#include "harness/text/text_file.h"
#include "harness/text/vocabulary.h"

namespace seqbench {

/// Windows of a validation: batches of whole ones side by side, then what is left at the end.
struct ValidationPlan {
  struct Batch {
    std::vector<Index> starts;  // of each window, in bytes
    Index steps = 0;            // tokens that each window asks for
  };
  std::vector<Batch> batches;
  Index tokens = 0;  // predicted in all: every one of the part but its first
  Index bytes = 0;   // that these take
};

class Corpus {
 public:
  /// Reads all of the file once. `kind`: nothing stands for characters where the text is UTF-8 and
  /// has at most 256 different ones, else bytes. Throws UsageError, as of the option --text or
  /// --vocabulary; FileError.
  Corpus(const std::filesystem::path& path, std::optional<VocabularyKind> kind);

  const TextFile& file() const { return file_; }
  const std::string& sha256() const { return sha256_; }
  const Vocabulary& vocabulary() const { return vocabulary_; }

  /// Throws UsageError unless either part has a window of so many tokens and one token more.
  void require_windows(Index steps) const;

  /// Assigns B windows of T tokens of the training part, from places drawn uniformly over its
  /// bytes (where characters take several, from the character that the place is in), and asks for
  /// each token's successor. Throws FileError.
  void draw_training(Random& random, SequenceShape shape, TaskBatch& batch) const;

  /// The whole validation part in windows of `steps` tokens that do not overlap, `sequences` side
  /// by side. Throws FileError.
  ValidationPlan plan_validation(Index steps, Index sequences) const;
  void read_validation(const ValidationPlan::Batch& windows, TaskBatch& batch) const;

 private:
  /// Appends to the batch the window of so many tokens that begins at this byte. Throws FileError.
  void append_window(Index first_byte, Index steps, TaskBatch& batch) const;
  /// The start of the character that this byte is in.
  Index start_of_character(Index byte) const;
  /// The byte behind `tokens` tokens from here, and no further than `end`.
  Index skip(Index first_byte, Index tokens, Index end) const;
  /// Tokens up to `most` of a part.
  Index count_tokens(Part part, Index most) const;

  TextFile file_;
  std::string sha256_;
  Vocabulary vocabulary_;
  Part training_{0, 0}, validation_{0, 0};  // in bytes
};

}  // namespace seqbench
