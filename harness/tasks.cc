#include "harness/tasks.h"

#include <stdexcept>

#include "harness/task_definitions.h"

namespace seqbench {
namespace {

Task with(Task task, TaskDefaults defaults) {
  task.defaults = std::move(defaults);
  return task;
}

// A Transformer's usual block.
constexpr ModelSettings kTransformer{
    .layers = 2, .learning_rate = 1e-3, .heads = 4, .residual = true, .mlp_expansion = 4};

/// One layer of each recurrent model, or a Transformer.
std::map<std::string, ModelSettings> one_layer_or_transformer() {
  return {{"elman", {.learning_rate = 1e-3}},
          {"lstm", {.learning_rate = 3e-3}},
          {"gru", {.learning_rate = 3e-3}},
          {"attention", kTransformer}};
}

/// Zoology's block without MLP, the same around every contender (Arora et al. 2023, app. E).
constexpr ModelSettings mixing_blocks(double learning_rate) {
  return {.layers = 2, .learning_rate = learning_rate, .residual = true};
}

}  // namespace

void TaskBatch::start(SequenceShape new_shape) {
  *this = {};
  shape = new_shape;
}

bool TaskBatch::is_last_answer(Index a) const {
  const auto sequence_of = [this](Index i) { return answer_rows[std::size_t(i)] / shape.steps; };
  return a + 1 == answers() || sequence_of(a + 1) != sequence_of(a);
}

const std::vector<Task>& all_tasks() {
  static const std::vector<Task> tasks = {
      // The published setting, whole: it never stops early.
      with(first_token_task(), {.distances = {8, 16, 32, 64},
                                .variants = {"default", "chrono", "learned"},
                                .seeds = 3,
                                .steps = 1100,
                                .batch = 64,
                                .width = 64,
                                .models = one_layer_or_transformer(),
                                .weight_decay = 0.01,
                                .test_sequences = 1000,
                                .solved_accuracy = 0.95}),
      with(adding_task(), {.distances = {50, 100, 200},
                           .variants = {"default", "learned"},
                           .seeds = 3,
                           .steps = 4000,
                           .batch = 64,
                           .width = 64,
                           .models = one_layer_or_transformer(),
                           .test_sequences = 1000,
                           .solved_accuracy = 0.95,
                           .stops_when_solved = true}),
      with(copy_task(), {.distances = {20, 50, 100},
                         .variants = {"default", "chrono", "learned"},
                         .seeds = 3,
                         .steps = 3000,
                         .batch = 64,
                         .width = 64,
                         .models = one_layer_or_transformer(),
                         .test_sequences = 1000,
                         .solved_accuracy = 0.95,
                         .stops_when_solved = true}),
      with(parity_task(), {.distances = {8, 16, 32, 64},
                           .variants = {"default", "learned"},
                           .seeds = 3,
                           .steps = 2000,
                           .batch = 64,
                           .width = 64,
                           .models = one_layer_or_transformer(),
                           .test_sequences = 1000,
                           .solved_accuracy = 0.95,
                           .stops_when_solved = true}),
      with(mqar_task(), {.distances = {64, 128, 256},
                         .variants = {"default", "learned", "conv3"},
                         .seeds = 3,
                         .steps = 2000,
                         .batch = 64,
                         .width = 64,
                         .models = {{"elman", mixing_blocks(3e-3)},
                                    {"lstm", mixing_blocks(3e-3)},
                                    {"gru", mixing_blocks(3e-3)},
                                    {"attention", mixing_blocks(3e-3)}},
                         .weight_decay = 0.01,
                         .test_sequences = 1000,
                         .solved_accuracy = 0.95,
                         .stops_when_solved = true}),
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
