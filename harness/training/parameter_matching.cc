#include "harness/training/parameter_matching.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "harness/base/errors.h"
#include "harness/models/registry.h"
#include "harness/training/training_settings.h"

namespace seqbench {
namespace {

Index count_at(TrainingSettings settings, Index width) {
  settings.form.width = width;
  return parameter_count(settings);
}

/// The width, a multiple of `step`, with the number of parameters closest to `target`. Counts grow
/// with the width.
Index closest_width(const TrainingSettings& settings, Index target, Index step) {
  Index low = 1, high = 1;  // in steps
  while (count_at(settings, high * step) < target) {
    low = high;
    high *= 2;
  }
  while (high - low > 1) {
    const Index middle = (low + high) / 2;
    (count_at(settings, middle * step) < target ? low : high) = middle;
  }
  const auto error = [&](Index width) { return std::abs(count_at(settings, width) - target); };
  return error(low * step) < error(high * step) ? low * step : high * step;
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
    settings.form.width = closest_width(
        settings, target, model_info(settings.model).has_heads() ? settings.form.heads : 1);
    const Index count = parameter_count(settings);
    if (std::abs(double(count - target)) > kMatchTolerance * double(target)) {
      throw UsageError("--match: " + label(settings) + " has " + std::to_string(count) +
                       " parameters at width " + std::to_string(settings.form.width) +
                       ", the closest; expected within 10 % of " + std::to_string(target) +
                       ": a larger --width may help");
    }
  }
}

}  // namespace seqbench
