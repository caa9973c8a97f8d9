#include "harness/training/parameter_matching.h"

#include <algorithm>
#include <map>

#include "harness/base/errors.h"
#include "harness/models/registry.h"
#include "harness/models/width_matching.h"
#include "harness/training/training_settings.h"

namespace seqbench {
namespace {

Index count_at(TrainingSettings settings, Index width) {
  settings.form.width = width;
  return parameter_count(settings);
}

}  // namespace

Index parameter_count(const TrainingSettings& settings) {
  return SequenceModel<float>(model_spec(settings)).parameter_count();
}

void match_parameters(std::vector<TrainingSettings>& trainings) {
  std::map<Index, Index> targets;  // by distance
  for (const TrainingSettings& settings : trainings) {
    Index& target = targets[settings.distance];
    target = std::max(target, parameter_count(settings));
  }
  for (TrainingSettings& settings : trainings) {
    const Index target = targets.at(settings.distance);
    settings.form.width =
        closest_width([&](Index width) { return count_at(settings, width); }, target,
                      model_info(settings.model).has_heads() ? settings.form.heads : 1);
    const Index count = parameter_count(settings);
    if (!is_matched(count, target)) {
      throw UsageError("--match: " + label(settings) + " has " + std::to_string(count) +
                       " parameters at width " + std::to_string(settings.form.width) +
                       ", the closest; expected within 10 % of " + std::to_string(target) +
                       ": a larger --width may help");
    }
  }
}

}  // namespace seqbench
