// The batches that a training sees, one after the other: a function of its settings, of which the
// model is no part.
#pragma once

#include <vector>

#include "core/random.h"
#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"
#include "harness/training/training_settings.h"

namespace seqbench {

struct TrainingSettings;

/// Draws sequences of one distance as the training wants them.
void draw_sequences(Random& random, const TrainingSettings& settings, Index distance,
                    Index sequences, Split split, TaskBatch& batch);

/// Fresh sequences without end, or epochs over the same ones. The last batch of an epoch is smaller
/// where the others leave less.
class TrainingData {
 public:
  /// The settings must outlive this.
  explicit TrainingData(const TrainingSettings& settings);

  /// Assigns the next batch. Of a mixture all sequences of a batch have one distance, drawn anew
  /// for each.
  void draw_next(TaskBatch& batch);
  /// Batches of an epoch; 0 without epochs.
  static Index steps_per_epoch(const TrainingSettings& settings);

 private:
  /// Another one.
  void begin_epoch();
  /// The epoch's next sequences in its order, each of which comes from a stream of its own.
  void draw_shuffled(Index distance, Index sequences, TaskBatch& batch);

  const TrainingSettings& settings_;
  std::vector<Index> distances_;
  Random random_;
  Index drawn_ = 0;  // sequences of this epoch
  std::vector<Index> order_;
  TaskBatch one_;
};

}  // namespace seqbench
