// A training that tests start from.
#pragma once

#include <string>

#include "harness/models/variants.h"
#include "harness/tasks/tasks.h"
#include "harness/training/training_settings.h"

namespace seqbench {

/// The task's default training of a model, at one distance and in the task's own batches.
inline TrainingSettings settings_of(const std::string& task_name, const std::string& model,
                                    const std::string& variant, Index distance) {
  const Task& task = task_by_name(task_name);
  TrainingSettings settings = default_training(task, nullptr, model);
  settings.variant = *find_variant(model, variant);
  settings.distance = distance;
  settings.batch = task.defaults.batch;
  return settings;
}

}  // namespace seqbench
