// Running parity: at every step, is the number of ones so far odd? One bit of state solves it for
// any length, while an attention layer's output hardly moves when one of many tokens flips (Hahn
// 2020). Asked at every step in training, as automata are by Liu et al. 2023, and judged by the
// parity of the whole sequence. The gap of an answer is the bits it sums: gap.csv tells how far a
// model counts.
#include <cmath>

#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"
#include "harness/tasks/task_definitions.h"

namespace seqbench {
namespace {

void draw(Random& random, const DrawRequest& request, TaskBatch& batch) {
  const Index T = request.setting.distance;
  batch.start({request.sequences, T});
  for (Index b = 0; b < request.sequences; ++b) {
    Token parity = 0;
    for (Index t = 0; t < T; ++t) {
      const auto bit = static_cast<Token>(random.below(2));
      const bool given = request.evidence == Evidence::kGiven;
      batch.tokens.push_back(given ? bit : static_cast<Token>(random.below(2)));
      parity ^= bit;
      batch.answer_rows.push_back(b * T + t);
      batch.targets.push_back(parity);
      batch.gaps.push_back(t + 1);
    }
  }
}

}  // namespace

Task parity_task() {
  return {.name = "parity",
          .setup = "causal",
          .evidence_for = EvidenceFor::kState,
          .distance_meaning = "sequence length",
          .vocabulary = 2,
          .answers = 2,
          .judged = Judged::kLastAnswer,
          .min_distance = [](Index) { return Index{2}; },
          .sequence_length = [](const TaskSetting& setting) { return setting.distance; },
          .questions = [](const TaskSetting& setting) { return setting.distance; },
          .chance = [](const TaskSetting&) { return 0.5; },
          .baseline_loss = [](const TaskSetting&) { return std::log(2.0); },
          .draw = draw,
          .defaults = {}};
}

}  // namespace seqbench
