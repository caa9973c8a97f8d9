#include "harness/tasks.h"

#include <cmath>
#include <stdexcept>

namespace seqbench {
namespace {

// first_token: symbols 0…15, distractors 16…31, the query mark 32.
constexpr Index kSymbols = 16;
constexpr Index kDistractors = 16;
constexpr Token kQuery = kSymbols + kDistractors;

void draw_first_token(Random& random, const DrawRequest& request, TaskBatch& batch) {
  const Index T = request.setting.distance;
  batch.shape = {request.sequences, T};
  batch.tokens.clear();
  batch.answer_rows.clear();
  batch.targets.clear();
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

const std::vector<Task>& all_tasks() {
  static const std::vector<Task> tasks = {
      {.name = "first_token",
       .setup = "causal",
       .distance_meaning = "sequence length",
       .min_distance = 2,
       .vocabulary = kSymbols + kDistractors + 1,
       .answers = kSymbols,
       .sequence_length = [](const TaskSetting& setting) { return setting.distance; },
       .chance = [](const TaskSetting&) { return 1.0 / kSymbols; },
       .baseline_loss = [](const TaskSetting&) { return std::log(double(kSymbols)); },
       .draw = draw_first_token,
       .defaults =
           {.distances = {8, 16, 32, 64},
            .variants = {"default", "chrono", "learned"},
            .seeds = 3,
            .steps = 1100,
            .batch = 64,
            .width = 64,
            .layers = {{"elman", 1}, {"lstm", 1}, {"gru", 1}, {"attention", 2}},
            .learning_rate = {{"elman", 1e-3}, {"lstm", 3e-3}, {"gru", 3e-3}, {"attention", 1e-3}},
            .heads = 4,
            .mlp_expansion = 4,
            .warmup_steps = 0,
            .weight_decay = 0.01,
            .max_gradient_norm = 1,
            .test_sequences = 1000,
            .solved_accuracy = 0.95}},
  };
  return tasks;
}

const Task& task_by_name(const std::string& name) {
  for (const Task& task : all_tasks()) {
    if (task.name == name) return task;
  }
  throw std::invalid_argument("there is no task '" + name + "'");
}

std::vector<std::string> task_names() {
  std::vector<std::string> names;
  for (const Task& task : all_tasks()) names.push_back(task.name);
  return names;
}

}  // namespace seqbench
