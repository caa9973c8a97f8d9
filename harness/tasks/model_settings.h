// How each model takes part in our own tasks: bare or in blocks, and at which learning rate.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "harness/tasks/task.h"

namespace seqbench {

/// Whether a model is bare layers on a task, or stands in a Transformer's blocks.
enum class Stands { kBare, kInBlocks };

/// How a model takes part in the tasks.
struct ModelOnTasks {
  Stands stands = Stands::kBare;
  std::map<std::string, double> rates = {};  // peaks of the learning rate, by task as
                                             // settings_of_models() names it
  std::optional<double> other_rate = {};     // on tasks that `rates` lacks; nothing: on none
};

/// What a task gives the models that take part.
struct TaskForms {
  ModelForm layers;  // of a model that stands as bare layers, a recurrent one
  ModelForm blocks;  // of a model that stands in a Transformer's blocks
  std::optional<double> weight_decay_of_blocks = {};  // nothing: the task's
};

/// The settings of every model on a task, "first_token" or, where set-ups differ, "coreference
/// encoder". Throws std::out_of_range for a task that has no tuned rates.
std::map<std::string, ModelSettings> settings_of_models(const std::string& task,
                                                        const TaskForms& forms);

/// The same of a task whose rates were not tuned: every model at this one.
std::map<std::string, ModelSettings> settings_at_one_rate(double learning_rate,
                                                          const TaskForms& forms);

/// Adds a model, for register_model() (models/registry.h). Throws std::logic_error once settings
/// have been asked for.
void put_on_tasks(const std::string& model, ModelOnTasks on_tasks);

}  // namespace seqbench
