// Which token came first? After github.com/hurjun/xLSTM, README, whose own task is first_symbol
// (published_tasks.cc): ours asks with a query mark, and its distractors are symbols of their own.
#include <cmath>

#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"
#include "harness/tasks/task_definitions.h"

namespace seqbench {
namespace {

// Symbols 0…15, distractors 16…31, the query mark 32.
constexpr Index kSymbols = 16;
constexpr Index kDistractors = 16;
constexpr Token kQuery = kSymbols + kDistractors;

void draw(Random& random, const DrawRequest& request, TaskBatch& batch) {
  const Index T = request.setting.distance;
  batch.start({request.sequences, T});
  for (Index b = 0; b < request.sequences; ++b) {
    const auto answer = static_cast<Token>(random.below(kSymbols));
    const bool given = request.evidence == Evidence::kGiven;
    batch.tokens.push_back(given ? answer : static_cast<Token>(random.below(kSymbols)));
    for (Index t = 1; t < T - 1; ++t) {
      batch.tokens.push_back(static_cast<Token>(kSymbols + random.below(kDistractors)));
    }
    batch.tokens.push_back(kQuery);
    batch.answer_rows.push_back((b + 1) * T - 1);
    batch.targets.push_back(answer);
  }
}

}  // namespace

Task first_token_task() {
  return {.name = "first_token",
          .setup = "causal",
          .distance_meaning = "sequence length",
          .vocabulary = kSymbols + kDistractors + 1,
          .answers = kSymbols,
          .min_distance = [](Index) { return Index{2}; },
          .sequence_length = [](const TaskSetting& setting) { return setting.distance; },
          .questions = [](const TaskSetting&) { return Index{1}; },
          .chance = [](const TaskSetting&) { return 1.0 / kSymbols; },
          .baseline_loss = [](const TaskSetting&) { return std::log(double(kSymbols)); },
          .draw = draw,
          .defaults = {}};
}

}  // namespace seqbench
