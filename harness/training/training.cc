#include "harness/training/training.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "core/optimiser.h"
#include "harness/base/stopwatch.h"
#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"
#include "harness/training/stopping_rule.h"
#include "harness/training/training_data.h"
#include "harness/training/training_step.h"

namespace seqbench {
namespace {

constexpr int kWorkers = 1;  // of a training

/// For whole batches, as tests take them; steps use the front of it.
void reserve_for(SequenceModel<float>& model, const TrainingSettings& settings,
                 const std::vector<Index>& distances) {
  const LargestBatch largest = largest_batch(settings, distances);
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
          .answers = score.counted(),
          .accuracy = score.accuracy(),
          .loss = score.mean_loss(),
          .pair_accuracy = score.pair_accuracy(),
          .by_gap = by_gap.scores()};
}

/// Of so many steps: the second, third and fourth.
bool begins_a_quarter(Index step, Index steps) {
  return step > 0 && (step == steps / 4 || step == steps / 2 || step == 3 * steps / 4);
}

}  // namespace

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

std::optional<TrainingResult> train(const TrainingSettings& settings, const KeepGoing& keep_going) {
  const ThreadTeam team(kWorkers);
  const TaskDefaults& defaults = settings.defaults();

  auto owned = std::make_unique<SequenceModel<float>>(model_spec(settings));
  SequenceModel<float>& model = *owned;
  initialise(settings, model);
  TrainingStep training_step(settings, model);
  const Index steps_per_epoch = TrainingData::steps_per_epoch(settings);
  assert(steps_per_epoch > 0 || !defaults.decays_by_epoch);
  const LearningRateSchedule schedule{
      .peak = settings.learning_rate,
      .floor = settings.learning_rate * defaults.decay_floor,
      .training_steps = settings.training_steps,
      .warmup_steps = defaults.warmup_steps,
      .decay = defaults.decay,
      .steps_per_change = defaults.decays_by_epoch ? steps_per_epoch : 1};

  TrainingResult result;
  result.parameters = model.parameter_count();
  const auto probe_gradients = [&] {
    return gradients_by_distance(team, gradient_probe(settings), model);
  };
  if (settings.measure_gradients) result.initial_gradients = probe_gradients();

  const auto probe_sweeps_at = [&](Index step) {
    result.sweeps.push_back(probe_sweeps(team, settings, step, model));
  };
  if (settings.measure_sweeps) probe_sweeps_at(0);

  Stopwatch stopwatch;
  reserve_for_steps(settings, model);
  TrainingData data(settings);
  Random dropped(static_cast<std::uint64_t>(settings.seed), streams::kDropped);
  model.drop_with(&dropped);
  TaskBatch batch;
  Score stretch(settings.task->judged);
  StoppingRule rule(defaults, steps_per_epoch);
  const auto mark_solved = [&] {
    if (result.steps_to_solve) return;
    result.steps_to_solve = result.steps_taken;
    result.seconds_to_solve = stopwatch.seconds();
  };
  const auto passes_test_of = [&](std::uint64_t stream) {
    model.drop_with(nullptr);
    const bool passed = std::ranges::all_of(settings.trained_distances(), [&](Index distance) {
      return test_at(team, settings, distance, model, stream).solves(defaults);
    });
    model.drop_with(&dropped);
    return passed;
  };
  for (Index step = 0; step < settings.training_steps; ++step) {
    if (!keep_going(result)) return std::nullopt;
    if (settings.measure_sweeps && begins_a_quarter(step, settings.training_steps)) {
      stopwatch.leave_out([&] { probe_sweeps_at(step); });
    }
    data.draw_next(batch);
    const double loss = training_step.run(team, batch, schedule.at(step));
    result.steps_taken = step + 1;

    stretch.add(batch, loss, training_step.right());
    if (result.steps_taken % kStretchSteps == 0 || result.steps_taken == settings.training_steps) {
      result.learning.push_back(
          {result.steps_taken, stopwatch.seconds(), stretch.mean_loss(), stretch.accuracy()});
      rule.add_stretch(stretch.accuracy());
      if (rule.stretch_is_solved()) mark_solved();
      stretch = Score(settings.task->judged);
    }
    if (!std::isfinite(loss)) {
      result.failure = "the loss is not finite at step " + std::to_string(result.steps_taken) +
                       "; a lower --learning-rate may help";
      break;
    }
    if (settings.measure_gradients && result.steps_taken == kEarlySteps) {
      stopwatch.leave_out([&] { result.early_gradients = probe_gradients(); });
    }
    if (const auto stream = rule.test_behind(result.steps_taken);
        stream && passes_test_of(*stream)) {
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
    result.trained_gradients = probe_gradients();
  }
  if (settings.measure_sweeps && result.failure.empty()) probe_sweeps_at(result.steps_taken);
  result.model = std::move(owned);
  return result;
}

}  // namespace seqbench
