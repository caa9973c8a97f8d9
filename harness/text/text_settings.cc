#include "harness/text/text_settings.h"

#include <algorithm>
#include <map>

#include "harness/base/errors.h"
#include "harness/models/registry.h"
#include "harness/models/width_matching.h"
#include "harness/text/parallel_pass.h"
#include "harness/timing/case.h"

namespace seqbench {
namespace {

const std::map<std::string, TextPreset>& presets() {
  static const std::map<std::string, TextPreset> table = {
      {"nanogpt-shakespeare",
       {.source = "github.com/karpathy/nanoGPT, README: the setting for a CPU",
        .settings = {.preset = "nanogpt-shakespeare",
                     .form = gpt2_form(128, 4, 4),
                     .length = 64,
                     .batch = 12,
                     .budget = {.steps = 2000}},
        .attention_variant = "learned",
        .sha256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"}},
  };
  return table;
}

Index count_at(TextSettings settings, Index width) {
  settings.form.width = width;
  return parameter_count(settings);
}

}  // namespace

const TextPreset& text_preset(const std::string& name) { return presets().at(name); }

std::vector<std::string> text_preset_names() {
  std::vector<std::string> names;
  for (const auto& [name, preset] : presets()) names.push_back(name);
  return names;
}

std::vector<std::string> text_variants(const std::string& model) {
  std::vector<std::string> names;
  for (const std::string& name : variant_names({model})) {
    const auto variant = find_variant(model, name);
    const bool is_own_name = variant && variant->name == name;  // "conv3" alone stands for another
    if (is_own_name && variant->evidence == Evidence::kGiven) names.push_back(name);
  }
  return names;
}

bool can_carry_state(const std::string& model, const Variant& variant) {
  return !model_info(model).has_heads() && variant.taps == 0;
}

SequenceModelSpec model_spec(const TextSettings& settings) {
  return {.model = settings.model,
          .variant = settings.variant,
          .vocabulary = settings.vocabulary,
          .answers = settings.vocabulary,
          .longest = settings.longest(),
          .time_scale = settings.length,
          .form = settings.form,
          .factors = settings.factors};
}

Index parameter_count(const TextSettings& settings) {
  return Index(declared_parameters(model_spec(settings)));
}

double text_training_bytes(const TextSettings& settings, Index threads) {
  const SequenceModelSpec spec = model_spec(settings);
  const EvenParts slices = parallel_slices({settings.batch, settings.length});
  const SequenceShape slice{slices[0].count, settings.length};
  const double models = double(std::min(threads, slices.count()));
  const double workspace = declared_workspace_bytes<float>(spec, slice, slice.batch * slice.steps);
  // Values of each model, gradients of each slice, two moments.
  const double copies = models + double(slices.count()) + 2;
  return models * workspace + copies * sizeof(float) * declared_parameters(spec);
}

void match_parameters(std::vector<TextSettings>& trainings) {
  Index target = 0;
  for (const TextSettings& settings : trainings) {
    target = std::max(target, parameter_count(settings));
  }
  for (TextSettings& settings : trainings) {
    const Index step = model_info(settings.model).has_heads() ? settings.form.heads : 1;
    settings.match = "parameters";
    settings.form.width =
        closest_width([&](Index width) { return count_at(settings, width); }, target, step);
    const Index count = parameter_count(settings);
    if (is_matched(count, target)) continue;
    throw UsageError("--match: " + label(settings) + " has " + std::to_string(count) +
                     " parameters at width " + std::to_string(settings.form.width) +
                     ", the closest; expected within 10 % of " + std::to_string(target) +
                     ": a larger --width may help");
  }
}

std::string label(const TextSettings& settings) {
  return settings.model + " " + settings.variant.name + " seed " + std::to_string(settings.seed) +
         dtype_suffix(settings.factors, ' ');
}

}  // namespace seqbench
