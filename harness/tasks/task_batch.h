// Sequences of a task and what is asked about them: what a model is trained on and tested with.
#pragma once

#include <vector>

#include "core/embedding.h"
#include "core/parts.h"
#include "core/sequence_layer.h"

namespace seqbench {

/// Sequences and what is asked about them.
struct TaskBatch {
  SequenceShape shape;             // B, T
  std::vector<Token> tokens;       // [B, T]; empty where the input is numbers
  std::vector<double> numbers;     // [B, T, channels]; empty where the input is tokens
  std::vector<Index> answer_rows;  // where answers are read: rows of the [B·T] tokens, ascending
  std::vector<Token> targets;      // the right answer at each of them; empty for a regression
  std::vector<double> values;      // the same of a regression; else empty
  std::vector<Index> gaps;         // steps from each answer back to its evidence; empty where the
                                   // task's distance tells it
  bool minimal_pairs = false;      // answers 2i and 2i + 1 ask about almost the same sequence

  Index answers() const { return static_cast<Index>(answer_rows.size()); }
  /// Whether answer `a` is the last of its sequence.
  bool is_last_answer(Index a) const { return is_among_last(a, 1); }
  /// Whether it is one of the last `count`.
  bool is_among_last(Index a, Index count) const;
  /// Forgets what it holds and takes this shape.
  void start(SequenceShape new_shape);
  /// Becomes some of the sequences of a batch and what is asked about them.
  void take(const TaskBatch& batch, Part sequences);
  /// Takes in the sequences of another batch, as long as its own, behind these.
  void append(const TaskBatch& batch);
};

}  // namespace seqbench
