// What a test says of a model, in one of four words.
#pragma once

#include "harness/training/training.h"
#include "harness/training/training_settings.h"

namespace seqbench {

enum class TestOutcome {
  kSolved,     // the task's own mark is reached
  kPartial,    // better than guessing among the candidates, short of the mark
  kGuessing,   // no better than guessing among the candidates that a sequence holds
  kUntrained,  // it does not know these candidates yet
};

/// "solved".
const char* name_of(TestOutcome outcome);

/// The figures of a test that decide.
struct TestFigures {
  Index answers = 1;  // that accuracy counts
  double accuracy = 0;
  double loss = 0;
  double solved_accuracy = 1;  // from here on it counts as solved
  double chance = 0;           // accuracy of guessing among the candidates
  double uninformed_loss = 0;  // of guessing among all answers, in nats
};

/// How much of the tests of a model that guesses lies within the interval that is called guessing.
inline constexpr double kGuessingCoverage = 0.99;
/// A loss as close as this to uninformed_loss says that nothing is known of a sequence.
inline constexpr double kUntrainedMargin = 0.02;

/// The first that holds of:
///
///   solved     accuracy ≥ solved_accuracy
///   untrained  |loss − uninformed_loss| ≤ kUntrainedMargin·uninformed_loss, or the number of right
///              answers is below the binomial interval of `chance` with kGuessingCoverage
///   guessing   it lies within that interval
///   partial    it lies above
TestOutcome outcome_of(const TestFigures& figures);

/// That of one of a training's tests.
TestOutcome outcome_of(const TrainingSettings& settings, const TestScore& test);

}  // namespace seqbench
