// The adding problem (Hochreiter & Schmidhuber 1997, sec. 5.4, as Arjovsky, Shah & Bengio 2016 pose
// it): each step has a number u ~ U[0, 1) and a mark, which is 1 at one step of each half, else 0.
// At the last step: the sum of the two marked numbers. Guessing their mean, 1, has the sum's
// variance 2/12 as its loss.
#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"
#include "harness/tasks/task_definitions.h"

namespace seqbench {
namespace {

constexpr Index kChannels = 2;       // u, mark
constexpr double kTolerance = 0.04;  // Hochreiter & Schmidhuber's for a right answer

void draw(Random& random, const DrawRequest& request, TaskBatch& batch) {
  const Index T = request.setting.distance;
  batch.start({request.sequences, T});
  for (Index b = 0; b < request.sequences; ++b) {
    const std::size_t first = batch.numbers.size();
    for (Index t = 0; t < T; ++t) {
      batch.numbers.push_back(random.uniform());
      batch.numbers.push_back(0);
    }
    double sum = 0;
    for (const Index step : {random.below(T / 2), T / 2 + random.below(T - T / 2)}) {
      double* const u = &batch.numbers[first + static_cast<std::size_t>(step * kChannels)];
      u[1] = 1;
      sum += request.evidence == Evidence::kGiven ? u[0] : random.uniform();
    }
    batch.answer_rows.push_back((b + 1) * T - 1);
    batch.values.push_back(sum);
  }
}

}  // namespace

Task adding_task() {
  return {.name = "adding",
          .setup = "causal",
          .distance_meaning = "sequence length",
          .channels = kChannels,
          .loss = LossKind::kSquaredError,
          .tolerance = kTolerance,
          .min_distance = [](Index) { return Index{2}; },
          .sequence_length = [](const TaskSetting& setting) { return setting.distance; },
          .questions = [](const TaskSetting&) { return Index{1}; },
          // The sum's density is a triangle of height 1 over [0, 2]: the share within ε of 1.
          .chance = [](const TaskSetting&) { return kTolerance * (2 - kTolerance); },
          .baseline_loss = [](const TaskSetting&) { return 1.0 / 6; },
          .draw = draw,
          .defaults = {}};
}

}  // namespace seqbench
