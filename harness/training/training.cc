#include "harness/training/training.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>

#include "core/optimiser.h"
#include "harness/models/registry.h"
#include "harness/training/training_data.h"
#include "harness/training/training_step.h"

namespace seqbench {
namespace {

constexpr int kWorkers = 1;  // of a training
constexpr Index kStepsPerLearningPoint = 20;
// A training may stop behind so many stretches in a row with at most half of the errors that a
// solved one may have: one stretch may be a lucky one. It does when sequences drawn as the test's
// are solved as well: a task may keep some kinds for the test, and they may be learnt later.
constexpr Index kStretchesToStop = 2;

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// The shape of the largest of batches at these distances, and its answers.
struct Largest {
  SequenceShape shape;
  Index answers = 0;  // of the whole batch
};
Largest largest_batch(const TrainingSettings& settings, const std::vector<Index>& distances) {
  Largest largest{{settings.batch, 0}, 0};
  for (const Index distance : distances) {
    const TaskSetting setting = settings.task_setting(distance);
    Index& steps = largest.shape.steps;
    steps = std::max(steps, settings.task->sequence_length(setting));
    largest.answers = std::max(largest.answers, settings.batch * settings.task->questions(setting));
  }
  return largest;
}

/// For whole batches, as tests take them; steps use the front of it.
void reserve_for(SequenceModel<float>& model, const TrainingSettings& settings,
                 const std::vector<Index>& distances) {
  const Largest largest = largest_batch(settings, distances);
  model.reserve(largest.shape, largest.answers, kWorkers);
}

TestScore test_at(const ThreadTeam& team, const TrainingSettings& settings, Index distance,
                  SequenceModel<float>& model, std::uint64_t stream = streams::kTestData) {
  Random random(static_cast<std::uint64_t>(settings.seed), stream);
  TaskBatch batch;
  Score score(settings.task->judged);
  ScoreByGap by_gap;
  for (Index left = settings.defaults().test_sequences; left > 0; left -= batch.shape.batch) {
    draw_sequences(random, settings, distance, std::min(left, settings.batch), Split::kTest, batch);
    const double loss = model.forward(team, batch, Keep::kNothing);
    score.add(batch, loss, model.right());
    by_gap.add(model.right(), batch.gaps);
  }
  return {.distance = distance,
          .accuracy = score.accuracy(),
          .loss = score.mean_loss(),
          .pair_accuracy = score.pair_accuracy(),
          .by_gap = by_gap.scores()};
}

GradientProbe gradient_probe(const TrainingSettings& settings) {
  return {.task = settings.task,
          .setting = settings.task_setting(),
          .evidence = settings.variant.evidence,
          .spec = model_spec(settings),
          .sequences = settings.batch,
          .steps = settings.gradient_steps,
          .seed = static_cast<std::uint64_t>(settings.seed),
          .stream = streams::kGradientData};
}

}  // namespace

Index TrainingSettings::default_batch() const {
  const bool is_plain = variant.taps == 0 && defaults().plain_batch > 0;
  return is_plain ? defaults().plain_batch : defaults().batch;
}

std::vector<Index> TrainingSettings::trained_distances() const {
  return mixture.empty() ? std::vector{distance} : mixture;
}

std::vector<Index> TrainingSettings::tested_distances() const {
  std::vector<Index> distances = trained_distances();
  std::vector<Index> more = defaults().test_distances;
  if (!mixture.empty()) more.push_back(2 * distance);
  for (const Index each : more) {
    if (std::ranges::find(distances, each) == distances.end()) distances.push_back(each);
  }
  return distances;
}

SequenceModelSpec model_spec(const TrainingSettings& settings) {
  return {.model = settings.model,
          .variant = settings.variant,
          .vocabulary = settings.task->vocabulary,
          .channels = settings.task->channels,
          .answers = settings.task->answers,
          .loss = settings.task->loss,
          .tolerance = settings.task->tolerance,
          .longest = largest_batch(settings, settings.tested_distances()).shape.steps,
          .time_scale = settings.seq_len(),
          .width = settings.width,
          .layers = settings.form.layers,
          .heads = settings.form.heads,
          .causal = settings.task->causal,
          .residual = settings.form.residual,
          .final_norm = settings.form.final_norm,
          .mlp_expansion = settings.form.mlp_expansion,
          .mlp = settings.form.mlp,
          .as_gpt2 = settings.form.as_gpt2,
          .direct_input = settings.form.direct_input,
          .dropout = settings.form.dropout};
}

void initialise(const TrainingSettings& settings, SequenceModel<float>& model) {
  Random random(static_cast<std::uint64_t>(settings.seed), streams::kParameters);
  model.initialise(random);
}

void reserve_for_steps(const TrainingSettings& settings, SequenceModel<float>& model) {
  reserve_for(model, settings, settings.trained_distances());
}

TaskBatch first_batch(const TrainingSettings& settings) {
  TaskBatch batch;
  TrainingData(settings).draw_next(batch);
  return batch;
}

namespace {

LayerCost layer_cost(const SequenceModelSpec& spec, SequenceShape shape) {
  const Dropout dropout{.probability = spec.dropout};
  return declared_cost(layer_spec(spec, &dropout), shape, Pass::kTrain, 1);
}

double mlp_parameters(const SequenceModelSpec& spec) {
  return 2 * double(spec.mlp_expansion) * double(spec.width) * double(spec.width);
}

/// Of the forward and backward passes of one batch.
double step_flops(const SequenceModelSpec& spec, SequenceShape shape) {
  const double N = double(shape.batch) * double(shape.steps);
  const double rest = mlp_parameters(spec) + double(spec.variant.taps) * double(spec.width);
  return double(spec.layers) * (layer_cost(spec, shape).flops + 3 * 2 * N * rest);
}

double parameter_scalars(const SequenceModelSpec& spec) {
  const double D = double(spec.width), taps = double(spec.variant.taps);
  const bool has_table = spec.variant.positions == Positions::kLearned ||
                         spec.variant.positions == Positions::kSinusoidal;
  const double positions = has_table ? double(spec.longest) * D : 0;
  const Index readout = spec.as_gpt2 ? 0 : spec.answers;
  return double(spec.vocabulary + spec.channels + readout) * D + positions +
         double(spec.layers) * (layer_cost(spec, {1, 1}).parameters + mlp_parameters(spec) +
                                (taps > 0 ? (taps + 1) * D : 0));
}

/// What a model keeps for batches of this shape with so many answers.
double state_scalars(const SequenceModelSpec& spec, SequenceShape shape, double answers) {
  const double N = double(shape.batch) * double(shape.steps), D = double(spec.width);
  // A block's states (block.h): its output, in residual form five more and the MLP's twice, with
  // gelu three times, and two of a convolution.
  const double mlp_states = (spec.mlp == MlpKind::kGelu ? 3 : 2) * double(spec.mlp_expansion);
  const double block_states =
      (spec.residual ? 6 + mlp_states : 1) + (spec.variant.taps > 0 ? 2 : 0);
  // The first block's products with the rows that tokens share: in a recurrent layer's gates.
  const double shared_states = double(model_info(spec.model).gates);
  const double layers = double(spec.layers), dropout_states = spec.dropout > 0 ? 1 : 0;
  return N * (D * (2 + layers * block_states + shared_states + dropout_states) +
              2 * double(spec.channels)) +
         answers * (3 * D + 2 * double(spec.answers) + 1) +
         layers * layer_cost(spec, shape).workspace_bytes / sizeof(float);
}

}  // namespace

TrainingCost training_cost(const TrainingSettings& settings) {
  const SequenceModelSpec spec = model_spec(settings);
  check(spec);
  const auto trained = settings.trained_distances();
  double flops = 0;  // a step's, mean over the mixture
  for (const Index distance : trained) {
    const SequenceShape shape{settings.batch,
                              settings.task->sequence_length(settings.task_setting(distance))};
    flops += step_flops(spec, shape) / double(trained.size());
  }
  const double parameters = parameter_scalars(spec);
  const Largest largest = largest_batch(settings, settings.tested_distances());
  // In float: value, gradient, the sum over slices and two moments of a parameter. In double: value
  // and gradient.
  TrainingCost cost{
      .flops = double(settings.steps) * flops,
      .bytes = sizeof(float) *
               (5 * parameters + state_scalars(spec, largest.shape, double(largest.answers)))};
  if (settings.measure_gradients) {
    const SequenceShape probe = probe_shape(gradient_probe(settings));
    cost.bytes +=
        sizeof(double) * (2 * parameters + state_scalars(spec, probe, double(probe.batch)));
  }
  return cost;
}

std::optional<TrainingResult> train(const TrainingSettings& settings, const KeepGoing& keep_going) {
  const ThreadTeam team(kWorkers);
  const TaskDefaults& defaults = settings.defaults();

  auto owned = std::make_unique<SequenceModel<float>>(model_spec(settings));
  SequenceModel<float>& model = *owned;
  initialise(settings, model);
  TrainingStep training_step(settings, model);
  const Index steps_per_epoch = TrainingData::steps_per_epoch(settings);
  assert(steps_per_epoch > 0 || !(defaults.decays_by_epoch || defaults.tests_epochs));
  const LearningRateSchedule schedule{
      .peak = settings.form.learning_rate,
      .steps = settings.steps,
      .warmup_steps = defaults.warmup_steps,
      .decay = defaults.decay,
      .steps_per_change = defaults.decays_by_epoch ? steps_per_epoch : 1};

  TrainingResult result;
  result.parameters = model.parameter_count();
  if (settings.measure_gradients) {
    result.initial_gradients = gradients_by_distance(team, gradient_probe(settings), model);
  }

  const Stopwatch stopwatch;
  reserve_for_steps(settings, model);
  TrainingData data(settings);
  Random dropped(static_cast<std::uint64_t>(settings.seed), streams::kDropped);
  model.drop_with(&dropped);
  TaskBatch batch;
  Score stretch(settings.task->judged);
  Index good_stretches = 0;  // in a row
  const double good_accuracy = (1 + defaults.solved_accuracy) / 2;
  const auto mark_solved = [&] {
    if (result.steps_to_solve) return;
    result.steps_to_solve = result.steps;
    result.seconds_to_solve = stopwatch.seconds();
  };
  const auto passes = [&](std::uint64_t stream) {
    model.drop_with(nullptr);
    const bool passed = std::ranges::all_of(settings.trained_distances(), [&](Index distance) {
      return test_at(team, settings, distance, model, stream).solves(defaults);
    });
    model.drop_with(&dropped);
    return passed;
  };
  for (Index step = 0; step < settings.steps; ++step) {
    if (!keep_going(result)) return std::nullopt;
    data.draw_next(batch);
    const double loss = training_step.run(team, batch, schedule.at(step));
    result.steps = step + 1;

    stretch.add(batch, loss, training_step.right());
    const bool stretch_ends = result.steps % kStepsPerLearningPoint == 0;
    if (stretch_ends || result.steps == settings.steps) {
      result.learning.push_back(
          {result.steps, stopwatch.seconds(), stretch.mean_loss(), stretch.accuracy()});
      good_stretches = stretch.accuracy() >= good_accuracy ? good_stretches + 1 : 0;
      const bool solved = stretch.accuracy() >= defaults.solved_accuracy;
      if (solved && !defaults.tests_epochs) mark_solved();
      stretch = Score(settings.task->judged);
    }
    if (!std::isfinite(loss)) {
      result.failure = "the loss is not finite at step " + std::to_string(result.steps) +
                       "; a lower --learning-rate may help";
      break;
    }
    if (defaults.stops_when_solved && stretch_ends && good_stretches >= kStretchesToStop &&
        passes(streams::kStoppingData)) {
      break;
    }
    if (defaults.tests_epochs && result.steps % steps_per_epoch == 0 &&
        passes(streams::kTestData)) {
      mark_solved();
      break;
    }
  }
  result.train_seconds = stopwatch.seconds();
  model.drop_with(nullptr);

  const auto tested = settings.tested_distances();
  if (tested.size() > settings.trained_distances().size()) reserve_for(model, settings, tested);
  for (const Index distance : tested) {
    result.tests.push_back(test_at(team, settings, distance, model));
  }
  if (settings.measure_gradients && result.failure.empty()) {
    result.trained_gradients = gradients_by_distance(team, gradient_probe(settings), model);
  }
  result.model = std::move(owned);
  return result;
}

}  // namespace seqbench
