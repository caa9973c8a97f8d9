#include "harness/training/model_file.h"

#include <algorithm>

#include "harness/base/command_line.h"
#include "harness/base/errors.h"
#include "harness/machine/memory.h"
#include "harness/models/registry.h"
#include "harness/tasks/grammar.h"
#include "harness/tasks/task.h"
#include "harness/tasks/tasks.h"
#include "harness/training/training_cost.h"
#include "harness/training/training_settings.h"

namespace seqbench {
namespace {

/// What the tokens mean: the words of the grammar's tasks, or how many there are.
std::string vocabulary_of(const Task& task) {
  return task.vocabulary == kGrammarWords ? join(grammar_words(), " ")
                                          : std::to_string(task.vocabulary);
}

[[noreturn]] void refuse(const TensorFile& file, const std::string& key,
                         const std::string& expected) {
  throw FileError(file.name + ": metadata \"" + key + "\" is '" + file.metadata.at(key) +
                  "'; expected " + expected);
}

Index integer(const TensorFile& file, const std::string& key, Index low) {
  const auto value = integer_within(file.required_metadata(key), low, kLargestInteger);
  if (!value) refuse(file, key, "an integer from " + std::to_string(low));
  return *value;
}

std::string one_of(const TensorFile& file, const std::string& key,
                   const std::vector<std::string>& allowed) {
  const std::string& value = file.required_metadata(key);
  if (std::ranges::find(allowed, value) == allowed.end()) {
    refuse(file, key, "one of " + join(allowed));
  }
  return value;
}

/// Reads a field of a form, and refuses what no form has there.
struct FieldReader {
  const TensorFile& file;

  void operator()(const char* key, Index& field) const {
    const Index least = std::string(key) == "mlp_expansion" ? 0 : 1;
    field = integer(file, key, least);
  }
  void operator()(const char* key, bool& field) const {
    field = one_of(file, key, {"false", "true"}) == "true";
  }
  void operator()(const char* key, MlpKind& field) const {
    const std::vector<std::string> kinds(std::begin(kMlpKindNames), std::end(kMlpKindNames));
    field = MlpKind(std::ranges::find(kinds, one_of(file, key, kinds)) - kinds.begin());
  }
};

/// "8,16,32"; empty without a mixture.
std::string spelled(const std::vector<Index>& distances) {
  std::vector<std::string> words;
  for (const Index distance : distances) words.push_back(std::to_string(distance));
  return join(words, ",");
}

std::vector<Index> mixture_of(const TensorFile& file) {
  const std::string& text = file.required_metadata("mixture");
  if (text.empty()) return {};
  try {
    return parse_integer_list("mixture", text, 0);
  } catch (const UsageError&) {
    refuse(file, "mixture", "distances with commas between, or none");
  }
}

}  // namespace

std::map<std::string, std::string> form_metadata(const ModelForm& form) {
  std::map<std::string, std::string> metadata;
  const auto write = [&metadata](const char* key, const auto& field) {
    using Field = std::decay_t<decltype(field)>;
    if constexpr (std::is_same_v<Field, bool>) {
      metadata[key] = field ? "true" : "false";
    } else if constexpr (std::is_same_v<Field, MlpKind>) {
      metadata[key] = kMlpKindNames[std::size_t(field)];
    } else {
      metadata[key] = std::to_string(field);
    }
  };
  visit_fields(form, write);
  return metadata;
}

std::string model_file_name(const TrainingSettings& settings) {
  const std::string regime = settings.mixture.empty() ? "" : std::string("-") + settings.regime();
  const std::string preset =
      settings.preset == nullptr ? "" : std::string("-") + settings.preset->name;
  return settings.task->name + "-" + settings.task->setup + regime + preset + "-" + settings.model +
         "-" + settings.variant.name + "-layers" + std::to_string(settings.form.layers) +
         "-distance" + std::to_string(settings.distance) + "-seed" + std::to_string(settings.seed) +
         ".safetensors";
}

void write_model(const std::filesystem::path& path, const TrainingSettings& settings,
                 SequenceModel<float>& model) {
  const auto text = [](Index number) { return std::to_string(number); };
  std::map<std::string, std::string> metadata = form_metadata(settings.form);
  metadata.merge(std::map<std::string, std::string>{
      {"task", settings.task->name},
      {"setup", settings.task->setup},
      {"model", settings.model},
      {"variant", settings.variant.name},
      {"distance", text(settings.distance)},
      {"mixture", spelled(settings.mixture)},
      {"pairs", text(settings.pairs)},
      {"seed", text(settings.seed)},
      {"vocabulary", vocabulary_of(*settings.task)},
  });
  std::vector<NamedTensor> tensors;
  for (std::size_t k = 0; k < model.parameters().size(); ++k) {
    tensors.push_back({model.parameter_names()[k], &model.parameters()[k]->value});
  }
  std::filesystem::remove(path);
  write_safetensors(path, metadata, tensors);
}

TrainingSettings model_settings(const TensorFile& file) {
  TrainingSettings settings;
  const std::string task = one_of(file, "task", task_names());
  const std::string setup = one_of(file, "setup", setup_names());
  for (const Task& each : all_tasks()) {
    if (each.name == task && each.setup == setup) settings.task = &each;
  }
  if (settings.task == nullptr) refuse(file, "setup", "one that " + task + " has");
  settings.model = one_of(file, "model", model_names());
  settings.variant =
      *find_variant(settings.model, one_of(file, "variant", variant_names({settings.model})));
  if (file.required_metadata("vocabulary") != vocabulary_of(*settings.task)) {
    throw FileError(file.name + ": its vocabulary is not that of task " + task +
                    "; expected a model trained by this version");
  }
  settings.distance = integer(file, "distance", settings.task->min_distance(0));
  settings.mixture = mixture_of(file);
  settings.pairs = integer(file, "pairs", 0);
  settings.seed = integer(file, "seed", 0);
  visit_fields(settings.form, FieldReader{file});
  const ModelForm& form = settings.form;
  if (form.width % form.heads != 0) refuse(file, "heads", "a divisor of the width");
  if (form.as_gpt2 && settings.task->answers != settings.task->vocabulary) {
    refuse(file, "as_gpt2", "false, since " + task + " has other answers than tokens");
  }
  if (!form.residual && form.mlp_expansion > 0) {
    refuse(file, "mlp_expansion", "0 without residual blocks");
  }
  if (form.direct_input && !can_read_directly(model_spec(settings))) {
    refuse(file, "direct_input", "false but for bare recurrent layers in one direction");
  }
  if (form.mlp == MlpKind::kIdentity && (!form.residual || form.mlp_expansion > 0)) {
    refuse(file, "mlp", "another one without residual blocks or with an mlp_expansion");
  }
  if (training_cost(settings).bytes > usable_memory_bytes()) {
    throw FileError(file.name + ": a model of the sizes in its metadata does not fit in memory");
  }
  return settings;
}

void load_parameters(const TensorFile& file, SequenceModel<float>& model) {
  for (std::size_t k = 0; k < model.parameters().size(); ++k) {
    Tensor<float>& value = model.parameters()[k]->value;
    std::ranges::copy(file.tensor(model.parameter_names()[k], value.shape()).values(),
                      value.data());
  }
}

}  // namespace seqbench
