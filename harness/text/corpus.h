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

/// Windows of a validation: batches of whole ones side by side, then what is left at the end. Or
/// rounds of windows that go on from those of the round before.
struct ValidationPlan {
  struct Batch {
    std::vector<Index> starts;  // of each window, in bytes
    Index steps = 0;            // tokens that each window asks for
    Index stream = 0;           // of the first window; the next ones are of the next streams
    Index round = 0;            // ascends; no batch waits for another of its round
  };
  std::vector<Batch> batches;
  Index streams = 0;  // that windows go on in; 0: they stand alone
  Index tokens = 0;   // predicted in all: every one of the part but its first
  Index bytes = 0;    // that these take
};

/// Where streams through the training part stand. Each reads one of equal parts of it in windows
/// that follow each other, at first from some place on, then over and over from its beginning.
struct TextStreams {
  std::vector<Index> places;    // the byte that each goes on from
  std::vector<bool> restarted;  // whether its last window is the first one of its part
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

  /// Throws UsageError unless each of B streams has a window of T tokens and one token more.
  void require_streams(SequenceShape shape) const;
  /// B streams of windows of T tokens, from places drawn uniformly over their parts. Throws
  /// FileError.
  TextStreams start_streams(Random& random, SequenceShape shape) const;
  /// Whether B streams can stand at these places.
  bool has_streams_at(const std::vector<Index>& places, Index streams) const;
  /// Assigns each stream's next window. What fills no window at the end of a part is passed over.
  /// Throws FileError.
  void read_segments(TextStreams& streams, SequenceShape shape, TaskBatch& batch) const;

  /// The whole validation part in windows of `steps` tokens that do not overlap, `sequences` side
  /// by side. Throws FileError.
  ValidationPlan plan_validation(Index steps, Index sequences) const;
  /// The same part, cut into equal streams, in windows of up to `steps` tokens that follow each
  /// other; `slices` cuts the streams into those whose windows are side by side. Throws FileError.
  ValidationPlan plan_streams(Index steps, EvenParts slices) const;
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
  /// The part of it that stream `stream` of so many reads: whole characters.
  Part part_of_stream(Part whole, Index stream, Index streams) const;

  TextFile file_;
  std::string sha256_;
  Vocabulary vocabulary_;
  Part training_{0, 0}, validation_{0, 0};  // in bytes
};

}  // namespace seqbench
