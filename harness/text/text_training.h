// One training on a text, step by step.
//
// A training by steps or tokens is a function of its settings and the text alone: parameters come
// from the seed, and so do the windows of each step, from a stream of random numbers of its own, so
// that all models see the same windows and a training goes on from any step as if it had not been
// interrupted. The number of threads changes no bit of it. One by seconds depends on the machine.
//
// A stateful training reads streams instead (truncated backpropagation through time): the windows
// of a stream follow each other, and each starts from the state that the one before it has left.
#pragma once

#include <memory>
#include <optional>

#include "core/optimiser.h"
#include "harness/models/sequence_model.h"
#include "harness/text/checkpoint.h"
#include "harness/text/corpus.h"
#include "harness/text/parallel_pass.h"
#include "harness/text/sampler.h"
#include "harness/text/text_settings.h"

namespace seqbench {

/// How a training stands at the end of a stretch of steps.
struct TextPoint {
  Index step = 0;                            // steps taken
  Index tokens = 0;                          // trained on
  double seconds = 0;                        // of training so far; validation not counted
  double learning_rate = 0;                  // of the last step
  double train_loss = 0;                     // mean over the stretch, in nats a token
  double tokens_per_second = 0;              // over the stretch
  std::optional<double> valid_loss = {};     // over the whole validation part, in nats a token
  std::optional<double> bits_per_byte = {};  // of the same
};

/// Loss by position in windows of this length.
struct ContextLoss {
  Index length = 0;
  std::vector<double> by_position;
};

class TextTraining {
 public:
  /// The corpus and the team must outlive this. Throws std::invalid_argument when the model refuses
  /// the settings, std::bad_alloc, FileError. UsageError where the text is too short for the
  /// streams of a stateful training.
  TextTraining(const TextSettings& settings, const Corpus& corpus, const ThreadTeam& team);

  /// Goes on from where the file's training, which must be this one, stood at its last point.
  /// Throws FileError.
  void go_on_from(const TensorFile& file);
  /// Behind a point: writes what go_on_from() needs, or only the model where the budget is spent.
  /// Throws FileError.
  void save(const std::filesystem::path& path);

  /// The share of the budget that is spent, 1 at the end.
  double progress() const;
  Index step_number() const { return at_.step; }

  /// One step: forward, backward, clipping, one update. Returns the loss before it. Throws
  /// FileError.
  double step();
  /// The windows of the last step, and its learning rate.
  const TaskBatch& batch() const { return batch_; }
  double last_learning_rate() const { return last_rate_; }
  /// The last step's windows and rate once more, which is no step of the training: to be timed.
  void repeat_last_step() { update(); }
  /// Whether a point, a hundred of which a training has, and whether a validation is due behind the
  /// last step.
  bool is_point_due() const { return is_due(kPoints); }
  bool is_validation_due() const { return is_due(settings_.validations); }
  /// Ends a stretch. Throws FileError.
  TextPoint take_point();
  /// False once a step's loss was not finite.
  bool is_sound() const { return is_sound_; }

  /// The loss by position at the trained length and, where the model can read as much and the text
  /// has it, at twice and four times it. Training is over then. Throws FileError.
  std::vector<ContextLoss> context_losses();

  /// What the model writes; nothing of one that cannot write token by token. Training is over then.
  std::optional<TextSample> write_sample();

  SequenceModel<float>& model() { return *model_; }

 private:
  static constexpr Index kPoints = 100;

  /// What the next step of a stateful training goes on from.
  struct Segments {
    TextStreams streams;
    Tensor<float> before, after;  // [B, carried_width()] the last step's start, and end
  };

  /// Assigns batch_.
  void draw_windows();
  CarriedState<float> carried_state();
  double progress_at(const TextProgress& at) const;
  TextModelFacts facts() const;
  double learning_rate() const;
  /// By batch_ and last_rate_. Returns the loss before it.
  double update();
  bool is_due(Index parts) const;
  Index tokens_a_step() const { return settings_.batch * settings_.length; }

  TextSettings settings_;
  const Corpus& corpus_;
  const ThreadTeam& team_;
  SequenceModelSpec spec_;
  std::unique_ptr<SequenceModel<float>> model_;
  std::unique_ptr<ParallelPass> pass_;
  std::unique_ptr<AdamW<float>> optimiser_;
  ValidationPlan validation_;
  std::optional<Segments> segments_;  // of a stateful training
  TextProgress at_, before_last_;     // before the last step
  TextProgress stretch_start_;
  double stretch_loss_ = 0;  // sum over its steps
  double last_rate_ = 0;
  bool is_sound_ = true;
  TaskBatch batch_;
};

}  // namespace seqbench
