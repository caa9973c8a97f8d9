// One training of one model on one task, at one distance or at several mixed, and what it tells.
//
// A training is a function of its settings alone: every random number comes from the seed, through
// streams of its own for parameters, training data, test data, gradient probes and dropout, so that
// all models see the same sequences, and a result repeats bit for bit, alone or beside others.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"
#include "harness/training/gradient_probe.h"
#include "harness/training/score.h"
#include "harness/training/sweep_probe.h"
#include "harness/training/training_settings.h"

namespace seqbench {

/// The mean over the batches of a stretch of training that ends after `step` steps.
struct LearningPoint {
  Index step = 0;
  double seconds = 0;  // of training so far
  double loss = 0;
  double accuracy = 0;
};

/// How well the trained model does on fresh test sequences of one distance.
struct TestScore {
  Index distance = 0;
  Index answers = 0;  // that accuracy counts
  double accuracy = 0;
  double loss = 0;
  std::optional<double> pair_accuracy;  // where tests come in minimal pairs
  std::vector<GapScore> by_gap;  // gaps from one power of two to the next; empty where the task's
                                 // distance tells the gap

  bool solves(const TaskDefaults& defaults) const { return accuracy >= defaults.solved_accuracy; }
};

struct TrainingResult {
  Index parameters = 0;
  Index steps_taken = 0;
  std::optional<Index> steps_to_solve;  // end of the first stretch, or test, that counts as solved
  std::optional<double> seconds_to_solve;  // of training, up to there
  double train_seconds = 0;
  std::vector<TestScore> tests;
  std::vector<LearningPoint> learning;
  // Before training, after kEarlySteps and at the end; empty unless measured.
  std::vector<GradientPoint> initial_gradients, early_gradients, trained_gradients;
  std::vector<SweepPoint>
      sweeps;           // at the start, at each quarter, at the end; empty unless measured
  std::string failure;  // why training could not go on; empty when it could
  std::unique_ptr<SequenceModel<float>> model;  // as trained
};

/// When gradients are measured on the way: early enough to tell who will learn.
constexpr Index kEarlySteps = 100;

/// Told before each step of the steps taken and the learning points so far; false stops the
/// training.
using KeepGoing = std::function<bool(const TrainingResult& so_far)>;

/// Trains on the calling thread. Empty when it was stopped. Throws std::invalid_argument when the
/// model refuses the settings, std::bad_alloc.
std::optional<TrainingResult> train(const TrainingSettings& settings, const KeepGoing& keep_going);

/// Draws the parameters that the training starts with: they follow from its seed.
void initialise(const TrainingSettings& settings, SequenceModel<float>& model);

/// Allocates what the training's steps need.
void reserve_for_steps(const TrainingSettings& settings, SequenceModel<float>& model);

/// The first batch that the training sees.
TaskBatch first_batch(const TrainingSettings& settings);

}  // namespace seqbench
