// When a training counts as solved, and when it may end before its last step.
//
// Training is judged by stretches of kStretchSteps steps. Two kinds of task end early: one whose
// stretches are solved (TaskDefaults::stops_when_solved), and one that is tested behind each epoch
// (TaskDefaults::tests_epochs). Either ends only where sequences that it has not seen are solved
// too: a task may keep some kinds for the test, and they may be learnt later.
#pragma once

#include <cstdint>
#include <optional>

#include "harness/tasks/task.h"

namespace seqbench {

/// Steps of a stretch: a point of the learning curve.
constexpr Index kStretchSteps = 20;

class StoppingRule {
 public:
  /// `steps_per_epoch`: 0 where the task has no epochs, which those tested behind each have.
  StoppingRule(const TaskDefaults& defaults, Index steps_per_epoch);

  /// The share of right answers in the stretch that ends now; the last one may be short.
  void add_stretch(double accuracy);
  /// Whether that stretch makes the training count as solved.
  bool stretch_is_solved() const;
  /// The stream of the sequences that must be solved behind this step for the training to end
  /// there; none: it goes on whatever a test says.
  std::optional<std::uint64_t> test_behind(Index step) const;

 private:
  double solved_accuracy_;
  bool stops_when_solved_, tests_epochs_;
  Index steps_per_epoch_;
  double last_accuracy_ = 0;
  Index good_stretches_ = 0;  // in a row
};

}  // namespace seqbench
