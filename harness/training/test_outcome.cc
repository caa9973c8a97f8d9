#include "harness/training/test_outcome.h"

#include <cmath>

#include "harness/base/statistics.h"
#include "harness/tasks/task.h"

namespace seqbench {

const char* name_of(TestOutcome outcome) {
  switch (outcome) {
    case TestOutcome::kSolved:
      return "solved";
    case TestOutcome::kPartial:
      return "partial";
    case TestOutcome::kGuessing:
      return "guessing";
    case TestOutcome::kUntrained:
      return "untrained";
  }
  return "";
}

TestOutcome outcome_of(const TestFigures& figures) {
  if (figures.accuracy >= figures.solved_accuracy) return TestOutcome::kSolved;
  const double off = std::abs(figures.loss - figures.uninformed_loss);
  if (off <= kUntrainedMargin * figures.uninformed_loss) return TestOutcome::kUntrained;
  const CountInterval guessing =
      binomial_interval(figures.answers, figures.chance, kGuessingCoverage);
  const double right = std::round(figures.accuracy * double(figures.answers));
  if (right < guessing.low) return TestOutcome::kUntrained;
  return right <= guessing.high ? TestOutcome::kGuessing : TestOutcome::kPartial;
}

TestOutcome outcome_of(const TrainingSettings& settings, const TestScore& test) {
  const TaskSetting tested = settings.task_setting(test.distance);
  return outcome_of({.answers = test.answers,
                     .accuracy = test.accuracy,
                     .loss = test.loss,
                     .solved_accuracy = settings.defaults().solved_accuracy,
                     .chance = settings.task->chance(tested),
                     .uninformed_loss = settings.task->uninformed_loss(tested)});
}

}  // namespace seqbench
