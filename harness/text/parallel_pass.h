// Forward and backward of a batch, its slices side by side on the threads of a team.
//
// A batch is cut into slices of sequences, by its shape alone. Each slice is a task: one thread
// takes it through the whole model, forward and backward, so that no operation waits for others.
// The gradient of the mean loss is the sum over the slices of theirs, each weighted by its share of
// the answers, in the order of the slices, so that it is bit-equal for any number of threads. A
// batch that is one slice is computed by the whole team, layer by layer.
//
// Memory: the model, with its workspace for a slice, on each thread and, from the first training
// batch on, a gradient of every parameter for each slice.
#pragma once

#include <memory>
#include <vector>

#include "core/parts.h"
#include "harness/models/sequence_model.h"
#include "harness/tasks/task_batch.h"
#include "harness/text/corpus.h"

namespace seqbench {

/// The slices of a batch: a power of two, so that no thread of two, four or eight is left waiting;
/// of at least four sequences each, since a recurrent layer's step is a product with so many rows;
/// at most 32, since each has a gradient of its own.
EvenParts parallel_slices(SequenceShape batch);

/// Losses of a validation, in nats.
struct ValidationLoss {
  double mean = 0;                  // of a token
  std::vector<double> by_position;  // mean over all whole windows, at each token of a window
};

class ParallelPass {
 public:
  /// `model`, made for `spec`, must outlive this. Allocates for batches of this shape, every token
  /// an answer. Throws std::bad_alloc.
  ParallelPass(const SequenceModelSpec& spec, SequenceShape batch, const ThreadTeam& team,
               SequenceModel<float>& model);

  /// The mean loss over the answers of a batch of that shape, whose sequences start as `state`
  /// says; assigns every gradient of the model's parameters.
  double train(const TaskBatch& batch, const CarriedState<float>& state = {});
  /// How a batch of that shape is cut.
  const EvenParts& slices() const { return slices_; }
  /// Sequences of the batches that evaluate() takes at most.
  Index evaluated_sequences() const { return slices_[0].count; }
  /// The loss over all of the plan's windows, whose steps are at most the shape's, in batches of
  /// evaluated_sequences() at most; of streams each window from the state that the one before it
  /// has left, for models that carry one. Throws FileError.
  ValidationLoss evaluate(const Corpus& corpus, const ValidationPlan& plan);

 private:
  /// The worker's model, with the parameters of the first one's.
  SequenceModel<float>& model_of(std::size_t worker);
  void reserve_gradients();
  void take_slice(const TaskBatch& batch, const CarriedState<float>& state, Index slice,
                  std::size_t worker);

  EvenParts slices_;
  ThreadTeam team_;              // a worker for each model, where there are several slices
  SequenceModel<float>& model_;  // the first worker's
  std::vector<std::unique_ptr<SequenceModel<float>>> others_;  // of the next ones
  std::vector<char> is_copy_;                          // by worker: has the first one's parameters
  std::vector<TaskBatch> taken_;                       // slices, by worker
  std::vector<double> losses_;                         // by slice, weighted
  std::vector<std::vector<Tensor<float>>> gradients_;  // by slice, one a parameter
};

}  // namespace seqbench
