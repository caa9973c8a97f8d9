// Majority: bits, of an odd number; was the larger part of them ones? It takes a count, and no
// order: the mean over all tokens tells.
#include "majority_task.h"

#include <cmath>

#include "harness/tasks/model_settings.h"
#include "harness/tasks/task_batch.h"
#include "harness/tasks/tasks.h"

namespace {

using namespace seqbench;

/// The next odd number, so that there is no tie.
Index bits_of(const TaskSetting& setting) { return setting.distance | 1; }

void draw(Random& random, const DrawRequest& request, TaskBatch& batch) {
  const Index T = bits_of(request.setting);
  batch.start({request.sequences, T});
  for (Index b = 0; b < request.sequences; ++b) {
    Index ones = 0;
    for (Index t = 0; t < T; ++t) {
      const auto bit = static_cast<Token>(random.below(2));
      ones += bit;
      const bool given = request.evidence == Evidence::kGiven;
      batch.tokens.push_back(given ? bit : static_cast<Token>(random.below(2)));
    }
    batch.answer_rows.push_back(b * T + T - 1);
    batch.targets.push_back(2 * ones > T ? 1 : 0);
  }
}

}  // namespace

void register_majority() {
  const TaskForms forms{.layers = {.layers = 1},
                        .blocks = {.layers = 2, .heads = 4, .residual = true, .mlp_expansion = 4}};
  register_task({.name = "majority",
                 .setup = "causal",
                 .evidence_for = EvidenceFor::kState,
                 .distance_meaning = "sequence length, the next odd number",
                 .vocabulary = 2,
                 .answers = 2,
                 .judged = Judged::kLastAnswer,
                 .min_distance = [](Index) { return Index{1}; },
                 .sequence_length = bits_of,
                 .questions = [](const TaskSetting&) { return Index{1}; },
                 .chance = [](const TaskSetting&) { return 0.5; },
                 .baseline_loss = [](const TaskSetting&) { return std::log(2.0); },
                 .draw = draw,
                 .defaults = {.distances = {15, 63},
                              .variants = {"default", "learned"},
                              .seeds = 3,
                              .training_steps = 400,
                              .batch = 64,
                              .width = 32,
                              .models = settings_at_one_rate(3e-3, forms),
                              .test_sequences = 500,
                              .solved_accuracy = 0.95,
                              .stops_when_solved = true}});
}
