// How each model takes part in our own tasks: bare or in blocks, and at which learning rate.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "harness/tasks/task.h"

namespace seqbench {

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

}  // namespace seqbench
