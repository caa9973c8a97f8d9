#include "harness/training/training_settings.h"

#include <algorithm>
#include <stdexcept>

#include "harness/models/registry.h"
#include "harness/tasks/task.h"

namespace seqbench {

Index TrainingSettings::default_batch() const {
  const bool is_plain = variant.taps == 0 && defaults().plain_batch > 0;
  return is_plain ? defaults().plain_batch : defaults().batch;
}

std::vector<Index> TrainingSettings::trained_distances() const {
  return mixture.empty() ? std::vector{distance} : mixture;
}

std::vector<Index> TrainingSettings::tested_distances() const {
  std::vector<Index> distances = trained_distances();
  std::vector<Index> more = defaults().test_distances;
  more.insert(more.end(), further_tests.begin(), further_tests.end());
  if (!mixture.empty()) more.push_back(2 * distance);
  for (const Index each : more) {
    if (std::ranges::find(distances, each) == distances.end()) distances.push_back(each);
  }
  return distances;
}

TrainingSettings default_training(const Task& task, const Preset* preset,
                                  const std::string& model) {
  TrainingSettings settings;
  settings.task = &task;
  settings.preset = preset;
  settings.model = model;
  const TaskDefaults& defaults = settings.defaults();
  const ModelSettings& own = defaults.models.at(model);
  settings.form = own.form;
  if (settings.form.width == 0) settings.form.width = defaults.width;
  settings.learning_rate = own.learning_rate;
  settings.weight_decay = own.weight_decay;
  settings.training_steps = defaults.training_steps;
  settings.gradient_reach = defaults.gradient_reach;
  return settings;
}

std::string block_name(const ModelForm& form) { return form.residual ? "model" : "layer"; }

TrainingSettings in_attention_blocks(TrainingSettings settings) {
  const TaskDefaults& defaults = settings.defaults();
  for (const std::string& model : model_names(ModelKind::kAttention)) {
    const auto found = defaults.models.find(model);
    if (found == defaults.models.end()) continue;
    settings.form = found->second.form;
    if (settings.form.width == 0) settings.form.width = defaults.width;
    settings.weight_decay = found->second.weight_decay;
    return settings;
  }
  throw std::invalid_argument("task " + settings.task->name + " has no blocks of attention");
}

bool stands_in_other_blocks(const TrainingSettings& settings) {
  const auto own = settings.defaults().models.find(settings.model);
  return own != settings.defaults().models.end() &&
         block_name(own->second.form) != block_name(settings.form);
}

std::string label(const TrainingSettings& settings) {
  const std::string layers = std::to_string(settings.form.layers) +
                             (settings.form.layers == 1 ? " layer" : " layers") +
                             (stands_in_other_blocks(settings) ? " in blocks" : "");
  return settings.task->name + " " + settings.task->setup + " " + settings.regime() + " " +
         settings.model + " " + settings.variant.name + " " + layers + " distance " +
         std::to_string(settings.distance) + " seed " + std::to_string(settings.seed);
}

LargestBatch largest_batch(const TrainingSettings& settings, const std::vector<Index>& distances) {
  LargestBatch largest{{settings.batch, 0}, 0};
  for (const Index distance : distances) {
    const TaskSetting setting = settings.task_setting(distance);
    Index& steps = largest.shape.steps;
    steps = std::max(steps, settings.task->sequence_length(setting));
    largest.answers = std::max(largest.answers, settings.batch * settings.task->questions(setting));
  }
  return largest;
}

SequenceModelSpec model_spec(const TrainingSettings& settings) {
  return {.model = settings.model,
          .variant = settings.variant,
          .vocabulary = settings.task->vocabulary,
          .channels = settings.task->channels,
          .answers = settings.task->answers,
          .loss = settings.task->loss,
          .tolerance = settings.task->tolerance,
          .longest = largest_batch(settings, settings.tested_distances()).shape.steps,
          .time_scale = settings.seq_len(),
          .form = settings.form,
          .causal = settings.task->causal,
          .frozen_seed = static_cast<std::uint64_t>(settings.seed),
          .factors = settings.factors};
}

}  // namespace seqbench
