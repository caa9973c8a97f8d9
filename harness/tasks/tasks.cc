#include "harness/tasks/tasks.h"

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "harness/tasks/model_settings.h"
#include "harness/tasks/presets.h"
#include "harness/tasks/task_definitions.h"

namespace seqbench {
namespace {

Task with(Task task, TaskDefaults defaults) {
  task.defaults = std::move(defaults);
  return task;
}

/// One layer of each recurrent model, or a Transformer of its usual blocks.
std::map<std::string, ModelSettings> one_layer_or_transformer(const std::string& task) {
  return settings_of_models(
      task,
      {.layers = {}, .blocks = {.layers = 2, .heads = 4, .residual = true, .mlp_expansion = 4}});
}

/// Zoology's block without MLP and its readout, the same around every contender (Arora et al. 2023,
/// app. E).
std::map<std::string, ModelSettings> mixing_blocks(const std::string& task) {
  constexpr ModelForm kBlocks{.layers = 2, .residual = true, .as_gpt2 = true};
  return settings_of_models(task, {.layers = kBlocks, .blocks = kBlocks});
}

// A narrow MLP leaves the choice of a noun to attention; one four times as wide takes over more.
// The adjective may look up its noun, which "it" then reads there, or "it" may learn the
// adjective's class and look up the noun itself. The first way carries one of 48 nouns through two
// layers, the second one of 4 classes through one of them: strong weight decay makes the second the
// cheaper.
constexpr TaskForms kCoreferenceEncoder{
    .layers = {.layers = 2},
    .blocks = {.layers = 2, .residual = true, .mlp_expansion = 1},
    .weight_decay_of_blocks = 1.0};
// Weight decay would make attention uniform: a mean of six words tells both nouns as well.
constexpr TaskForms kHiddenVerbEncoder{
    .layers = {.layers = 1},
    .blocks = {.layers = 1, .residual = true, .mlp_expansion = 4},
    .weight_decay_of_blocks = 0.0};

/// Small enough to be read: blocks of one head with MLP, or bidirectional layers.
TaskDefaults encoders(const std::string& task, const TaskForms& forms, std::vector<Index> distances,
                      Index training_steps) {
  return {.distances = std::move(distances),
          .variants = {"default", "learned"},
          .seeds = 5,
          .training_steps = training_steps,
          .batch = 64,
          .width = 64,
          .models = settings_of_models(task, forms),
          .weight_decay = 0.1,
          .test_sequences = 1000,
          .solved_accuracy = 0.95};
}

/// Trainings of attend mix in what is no noun, which has to be told from one. Without dropout two
/// of five models spread their weight as far as "on", and lose up to a quarter of the answers with
/// it.
TaskDefaults hidden_verb_defaults() {
  TaskDefaults defaults = encoders("hidden_verb", kHiddenVerbEncoder, {0}, 2000);
  defaults.attended_mixture = {0, 8};
  defaults.attended_dropout = 0.1;
  return defaults;
}

TaskDefaults word_problem_defaults(Index width, Index training_steps) {
  return {.distances = {8, 16, 32, 64},
          .variants = {"default", "learned"},
          .seeds = 3,
          .training_steps = training_steps,
          .batch = 128,
          .width = width,
          .models = settings_of_models(
              "word_problem",
              {.layers = {},
               .blocks = {.layers = 1, .heads = 4, .residual = true, .mlp_expansion = 4}}),
          .weight_decay = 0.01,
          .test_sequences = 1000,
          .solved_accuracy = 0.99,
          .stops_when_solved = true};
}

void add_once(std::vector<std::string>& names, const std::string& name) {
  if (std::ranges::find(names, name) == names.end()) names.push_back(name);
}

std::vector<Task> own_tasks() {
  return {
      // The budget of the preset first-token.
      with(first_token_task(), {.distances = {8, 16, 32, 64},
                                .variants = {"default", "chrono", "learned"},
                                .seeds = 3,
                                .training_steps = 1100,
                                .batch = 64,
                                .width = 64,
                                .models = one_layer_or_transformer("first_token"),
                                .weight_decay = 0.01,
                                .test_sequences = 1000,
                                .solved_accuracy = 0.95,
                                .stops_when_solved = true}),
      with(adding_task(), {.distances = {50, 100, 200},
                           .variants = {"default", "learned"},
                           .seeds = 3,
                           .training_steps = 4000,
                           .batch = 64,
                           .width = 64,
                           .models = one_layer_or_transformer("adding"),
                           .test_sequences = 1000,
                           .solved_accuracy = 0.95,
                           .stops_when_solved = true}),
      with(copy_task(), {.distances = {20, 50, 100},
                         .variants = {"default", "chrono", "learned"},
                         .seeds = 3,
                         .training_steps = 3000,
                         .batch = 64,
                         .width = 64,
                         .models = one_layer_or_transformer("copy"),
                         .test_sequences = 1000,
                         .solved_accuracy = 0.95,
                         .stops_when_solved = true}),
      with(selective_copy_task(), {.distances = {32},
                                   .variants = {"default", "learned"},
                                   .seeds = 3,
                                   .training_steps = 600,
                                   .batch = 32,
                                   .width = 96,
                                   .models = one_layer_or_transformer("selective_copy"),
                                   .weight_decay = 0.01,
                                   .test_sequences = 1000,
                                   .solved_accuracy = 0.95,
                                   .stops_when_solved = true}),
      with(parity_task(), {.distances = {8, 16, 32, 64},
                           .variants = {"default", "learned"},
                           .seeds = 3,
                           .training_steps = 2000,
                           .batch = 64,
                           .width = 64,
                           .models = one_layer_or_transformer("parity"),
                           .test_sequences = 1000,
                           .solved_accuracy = 0.95,
                           .stops_when_solved = true}),
      with(mqar_task(), {.distances = {64, 128, 256},
                         .variants = {"default", "learned", "conv3"},
                         .seeds = 3,
                         .training_steps = 2000,
                         .batch = 64,
                         .plain_batch = 512,
                         .width = 64,
                         .models = mixing_blocks("mqar"),
                         .weight_decay = 0.01,
                         .test_sequences = 1000,
                         .solved_accuracy = 0.95,
                         .stops_when_solved = true}),
      with(coreference_task(), {.distances = {0, 8, 32, 128},
                                .variants = {"default", "learned"},
                                .seeds = 3,
                                .training_steps = 3000,
                                .batch = 64,
                                .width = 64,
                                .models = one_layer_or_transformer("coreference"),
                                .weight_decay = 0.01,
                                .test_sequences = 1000,
                                .solved_accuracy = 0.95,
                                .stops_when_solved = true}),
      with(coreference_encoder_task(),
           encoders("coreference encoder", kCoreferenceEncoder, {0, 8, 32}, 3000)),
      with(hidden_verb_task(), hidden_verb_defaults()),
      with(word_problem_task(WordGroup::kS3), word_problem_defaults(64, 1500)),
      with(word_problem_task(WordGroup::kZ60), word_problem_defaults(128, 3000)),
      with(word_problem_task(WordGroup::kA5), word_problem_defaults(128, 3000)),
      // As others have posed them, in their settings.
      with(first_symbol_task(), preset_by_name("first-token").settings),
      with(copy_all_task(), preset_by_name("copy-10k").settings),
      with(mqar_8k_task(), preset_by_name("mqar-64-4").settings),
      with(associative_recall_task(), preset_by_name("associative-recall").settings),
      with(induction_task(), preset_by_name("induction").settings),
  };
}

/// Tasks of the program that this project is part of. With the models' (models/registry.cc) the one
/// state of the process: what the names on a command line mean.
struct Registered {
  std::vector<Task> tasks = {};
  bool are_read = false;
};

Registered& registered() {
  static Registered all;
  return all;
}

/// What is wrong with a task that is to be added, but for its name; "" for nothing.
std::string fault_of(const Task& task) {
  if (!is_plain_name(task.name)) return "its name is none of a-z, 0-9 and _";
  if (task.setup != "causal" && task.setup != "encoder") {
    return "its set-up '" + task.setup + "' is neither causal nor encoder";
  }
  if ((task.vocabulary > 0) == (task.channels > 0))
    return "its input is not either tokens or numbers";
  if (task.answers < 1) return "it has no answers";
  if (task.pairs != nullptr && task.most_pairs < 2) return "its pairs are fewer than two";
  if (task.min_distance == nullptr || task.sequence_length == nullptr ||
      task.questions == nullptr || task.chance == nullptr || task.baseline_loss == nullptr ||
      task.draw == nullptr) {
    return "one of min_distance, sequence_length, questions, chance, baseline_loss and draw is "
           "missing";
  }
  const TaskDefaults& defaults = task.defaults;
  if (defaults.distances.empty() || defaults.variants.empty() || defaults.models.empty()) {
    return "its defaults lack distances, variants or models";
  }
  return "";
}

}  // namespace

const std::vector<Task>& all_tasks() {
  static const std::vector<Task> tasks = [] {
    registered().are_read = true;
    std::vector<Task> all = own_tasks();
    std::ranges::move(registered().tasks, std::back_inserter(all));
    return all;
  }();
  return tasks;
}

bool is_plain_name(std::string_view name) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && std::ranges::all_of(name, is_plain);
}

void register_task(Task task) {
  std::string fault = fault_of(task);
  const auto is_of_that_name = [&](const Task& other) {
    return other.name == task.name && other.setup == task.setup;
  };
  if (std::ranges::any_of(own_tasks(), is_of_that_name) ||
      std::ranges::any_of(registered().tasks, is_of_that_name)) {
    fault = "there is one of that name";
  }
  if (!fault.empty()) throw std::invalid_argument("task '" + task.name + "': " + fault);
  if (registered().are_read) {
    throw std::logic_error("task '" + task.name + "' comes late: tasks are in use");
  }
  registered().tasks.push_back(std::move(task));
}

const Task& task_by_name(std::string_view name, std::string_view setup) {
  for (const Task& task : all_tasks()) {
    if (task.name == name && (setup.empty() || task.setup == setup)) return task;
  }
  throw std::invalid_argument("there is no task '" + std::string(name) + "'" +
                              (setup.empty() ? "" : " with set-up '" + std::string(setup) + "'"));
}

std::vector<std::string> task_names() {
  std::vector<std::string> names;
  for (const Task& task : all_tasks()) add_once(names, task.name);
  return names;
}

std::vector<std::string> setup_names() {
  std::vector<std::string> names;
  for (const Task& task : all_tasks()) add_once(names, task.setup);
  return names;
}

}  // namespace seqbench
