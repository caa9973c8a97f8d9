#include "harness/training/stopping_rule.h"

#include <cassert>

#include "harness/training/training_settings.h"

namespace seqbench {
namespace {

// So many stretches in a row, with at most half of the errors that a solved one may have: a single
// one may be a lucky one.
constexpr Index kStretchesToStop = 2;

}  // namespace

StoppingRule::StoppingRule(const TaskDefaults& defaults, Index steps_per_epoch)
    : solved_accuracy_(defaults.solved_accuracy),
      stops_when_solved_(defaults.stops_when_solved),
      tests_epochs_(defaults.tests_epochs),
      steps_per_epoch_(steps_per_epoch) {
  assert(!(stops_when_solved_ && tests_epochs_));
  assert(steps_per_epoch_ > 0 || !tests_epochs_);
}

void StoppingRule::add_stretch(double accuracy) {
  const double good_accuracy = (1 + solved_accuracy_) / 2;
  last_accuracy_ = accuracy;
  good_stretches_ = accuracy >= good_accuracy ? good_stretches_ + 1 : 0;
}

bool StoppingRule::stretch_is_solved() const {
  return !tests_epochs_ && last_accuracy_ >= solved_accuracy_;
}

std::optional<std::uint64_t> StoppingRule::test_behind(Index step) const {
  if (tests_epochs_) {
    if (step % steps_per_epoch_ != 0) return std::nullopt;
    return streams::kTestData;
  }
  const bool ends_stretch = step % kStretchSteps == 0;
  if (!stops_when_solved_ || !ends_stretch || good_stretches_ < kStretchesToStop) {
    return std::nullopt;
  }
  return streams::kStoppingData;
}

}  // namespace seqbench
