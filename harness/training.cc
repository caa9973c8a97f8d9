#include "harness/training.h"

#include <chrono>
#include <cmath>

#include "core/optimiser.h"
#include "harness/registry.h"

namespace seqbench {
namespace {

enum Stream : std::uint64_t { kParameters, kTrainingData, kTestData, kGradientData };

constexpr Index kStepsPerLearningPoint = 20;
// A training stops behind so many stretches in a row with at most half of the errors that a solved
// one may have: one stretch may be a lucky one, and the test must not fall below the mark again.
constexpr Index kStretchesToStop = 2;

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Draws sequences as the training wants them.
void draw(Random& random, const TrainingSettings& settings, Index sequences, Split split,
          TaskBatch& batch) {
  settings.task->draw(random,
                      {.sequences = sequences,
                       .setting = settings.task_setting(),
                       .evidence = settings.variant.evidence,
                       .split = split},
                      batch);
}

template <typename T>
void reserve_for(SequenceModel<T>& model, const TaskBatch& batch, const ThreadTeam& team) {
  model.reserve(batch.shape, batch.answers(), team.size());
}

/// Tests where the model was trained.
TestScore test(const ThreadTeam& team, const TrainingSettings& settings,
               SequenceModel<float>& model) {
  Random random(static_cast<std::uint64_t>(settings.seed), kTestData);
  TaskBatch batch;
  Score score(settings.task->judged);
  ScoreByGap by_gap;
  for (Index left = settings.task->defaults.test_sequences; left > 0; left -= batch.shape.batch) {
    draw(random, settings, std::min(left, settings.batch), Split::kTest, batch);
    const double loss = model.forward(team, batch, Keep::kNothing);
    score.add(batch, loss, model.right());
    by_gap.add(model.right(), batch.gaps);
  }
  return {.distance = settings.distance,
          .accuracy = score.accuracy(),
          .loss = score.mean_loss(),
          .pair_accuracy = score.pair_accuracy(),
          .by_gap = by_gap.scores()};
}

/// Forgets all answers of a sequence but the last.
void keep_last_answers(TaskBatch& batch) {
  TaskBatch last;
  last.start(batch.shape);
  for (Index a = 0; a < batch.answers(); ++a) {
    if (!batch.is_last_answer(a)) continue;
    const auto i = static_cast<std::size_t>(a);
    last.answer_rows.push_back(batch.answer_rows[i]);
    if (!batch.targets.empty()) last.targets.push_back(batch.targets[i]);
    if (!batch.values.empty()) last.values.push_back(batch.values[i]);
  }
  last.tokens = std::move(batch.tokens);
  last.numbers = std::move(batch.numbers);
  batch = std::move(last);
}

/// In double, since a vanishing gradient would underflow in float. One batch of sequences;
/// distances count back from each sequence's last answer.
std::vector<GradientPoint> gradient_by_distance(const ThreadTeam& team,
                                                const TrainingSettings& settings,
                                                SequenceModel<float>& trained) {
  SequenceModel<double> model(model_spec(settings));
  copy_parameters(trained, model);
  Random random(static_cast<std::uint64_t>(settings.seed), kGradientData);
  TaskBatch batch;
  draw(random, settings, settings.batch, Split::kTest, batch);
  keep_last_answers(batch);
  reserve_for(model, batch, team);
  model.forward(team, batch, Keep::kForBackward);
  model.backward(team, batch);

  const auto [B, T] = std::pair(batch.shape.batch, batch.shape.steps);
  const auto gradient = model.embedding_gradient();
  std::vector<GradientPoint> points;
  for (Index distance = 1; distance < T; ++distance) {
    double sum = 0;
    Index sequences = 0;
    for (Index b = 0; b < B; ++b) {
      const Index t = batch.answer_rows[std::size_t(b)] % T - distance;
      if (t < 0) continue;
      sum += as_eigen(gradient.sequence(b)).row(t).norm();
      ++sequences;
    }
    // The loss is a mean over B sequences; that of one alone has B times the gradient.
    if (sequences > 0) points.push_back({distance, sum * double(B) / double(sequences)});
  }
  return points;
}

}  // namespace

SequenceModelSpec model_spec(const TrainingSettings& settings) {
  return {.model = settings.model,
          .variant = settings.variant,
          .vocabulary = settings.task->vocabulary,
          .channels = settings.task->channels,
          .answers = settings.task->answers,
          .loss = settings.task->loss,
          .tolerance = settings.task->tolerance,
          .longest = settings.seq_len(),
          .width = settings.width,
          .layers = settings.form.layers,
          .heads = settings.form.heads,
          .causal = settings.task->causal,
          .residual = settings.form.residual,
          .mlp_expansion = settings.form.mlp_expansion};
}

void initialise(const TrainingSettings& settings, SequenceModel<float>& model) {
  Random random(static_cast<std::uint64_t>(settings.seed), kParameters);
  model.initialise(random);
}

TrainingCost training_cost(const TrainingSettings& settings) {
  const SequenceModelSpec spec = model_spec(settings);
  const ModelInfo& info = model_info(spec.model);
  const SequenceShape shape{settings.batch, settings.seq_len()};
  const LayerCost layer = declared_cost({.model = spec.model,
                                         .kernel = info.fastest_kernel(),
                                         .width = spec.width,
                                         .heads = info.is_recurrent() ? 1 : spec.heads,
                                         .causal = spec.causal},
                                        shape, Pass::kTrain, 1);
  const double N = double(shape.batch) * double(shape.steps), D = double(spec.width);
  const double expansion = double(spec.mlp_expansion);
  const double mlp_parameters = 2 * expansion * D * D;
  const double layers = double(spec.layers);

  const double positions =
      spec.variant.positions == Positions::kNone ? 0 : double(spec.longest) * D;
  const double taps = double(spec.variant.taps);
  const double parameters =
      double(spec.vocabulary + spec.channels + spec.answers) * D + positions +
      layers * (layer.parameters + mlp_parameters + (taps > 0 ? (taps + 1) * D : 0));
  // A block's states (block.h): its output, in residual form five more and twice the MLP's, and two
  // of a convolution.
  const double block_states = (spec.residual ? 6 + 2 * expansion : 1) + (taps > 0 ? 2 : 0);
  const double A = double(shape.batch) * double(settings.task->questions(settings.task_setting()));
  const double answer_states = A * (3 * D + 2 * double(spec.answers) + 1);
  const double states =
      N * (D * (2 + layers * block_states) + 2 * double(spec.channels)) + answer_states;
  const double layer_scalars = layers * layer.workspace_bytes / sizeof(float);
  // In float: value, gradient and two moments of a parameter. In double: value and gradient.
  const double float_bytes = sizeof(float) * (4 * parameters + states + layer_scalars);
  const double double_bytes = sizeof(double) * (2 * parameters + states + layer_scalars);

  return {.flops = double(settings.steps) * layers *
                   (layer.flops + 3 * 2 * N * (mlp_parameters + taps * D)),
          .bytes = float_bytes + (settings.measure_gradients ? double_bytes : 0)};
}

std::optional<TrainingResult> train(const TrainingSettings& settings, const KeepGoing& keep_going) {
  const ThreadTeam team(1);
  const TaskDefaults& defaults = settings.task->defaults;
  Random data_random(static_cast<std::uint64_t>(settings.seed), kTrainingData);

  auto owned = std::make_unique<SequenceModel<float>>(model_spec(settings));
  SequenceModel<float>& model = *owned;
  initialise(settings, model);
  AdamW<float> optimiser(model.parameters(), {.weight_decay = defaults.weight_decay});
  const LearningRateSchedule schedule{.peak = settings.form.learning_rate,
                                      .steps = settings.steps,
                                      .warmup_steps = defaults.warmup_steps};

  TrainingResult result;
  result.parameters = model.parameter_count();
  if (settings.measure_gradients) {
    result.initial_gradients = gradient_by_distance(team, settings, model);
  }

  const Stopwatch stopwatch;
  TaskBatch batch;
  Score stretch(settings.task->judged);
  Index good_stretches = 0;  // in a row
  const double good_accuracy = (1 + defaults.solved_accuracy) / 2;
  for (Index step = 0; step < settings.steps; ++step) {
    if (!keep_going(step)) return std::nullopt;
    draw(data_random, settings, settings.batch, Split::kTraining, batch);
    if (step == 0) reserve_for(model, batch, team);
    const double loss = model.forward(team, batch, Keep::kForBackward);
    model.backward(team, batch);
    clip_global_norm(model.parameters(), defaults.max_gradient_norm);
    optimiser.step(schedule.at(step));
    result.steps = step + 1;

    stretch.add(batch, loss, model.right());
    if (result.steps % kStepsPerLearningPoint == 0 || result.steps == settings.steps) {
      result.learning.push_back(
          {result.steps, stopwatch.seconds(), stretch.mean_loss(), stretch.accuracy()});
      good_stretches = stretch.accuracy() >= good_accuracy ? good_stretches + 1 : 0;
      if (!result.steps_to_solve && stretch.accuracy() >= defaults.solved_accuracy) {
        result.steps_to_solve = result.steps;
        result.seconds_to_solve = result.learning.back().seconds;
      }
      stretch = Score(settings.task->judged);
    }
    if (!std::isfinite(loss)) {
      result.failure = "the loss is not finite at step " + std::to_string(result.steps) +
                       "; a lower --learning-rate may help";
      break;
    }
    if (defaults.stops_when_solved && good_stretches == kStretchesToStop) break;
  }
  result.train_seconds = stopwatch.seconds();

  result.tests.push_back(test(team, settings, model));
  if (settings.measure_gradients && result.failure.empty()) {
    result.trained_gradients = gradient_by_distance(team, settings, model);
  }
  result.model = std::move(owned);
  return result;
}

}  // namespace seqbench
