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

/// Reads a field of a form, and refuses what no form has there.
struct FieldReader {
  const TensorFile& file;

  void operator()(const char* key, Index& field) const {
    const Index least = std::string(key) == "mlp_expansion" ? 0 : 1;
    field = file.metadata_integer(key, least, kLargestInteger);
  }
  void operator()(const char* key, bool& field) const {
    field = file.metadata_name(key, {"false", "true"}) == "true";
  }
  void operator()(const char* key, MlpKind& field) const {
    const std::vector<std::string> kinds(std::begin(kMlpKindNames), std::end(kMlpKindNames));
    field = MlpKind(std::ranges::find(kinds, file.metadata_name(key, kinds)) - kinds.begin());
  }
};

/// "8,16,32"; empty without a mixture.
std::string spelled(const std::vector<Index>& distances) {
  std::vector<std::string> words;
  for (const Index distance : distances) words.push_back(std::to_string(distance));
  return join(words, ",");
}

/// What a model's file tells of it.
std::map<std::string, std::string> metadata_of(const TrainingSettings& settings) {
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
  return metadata;
}

std::vector<Index> mixture_of(const TensorFile& file) {
  const std::string& text = file.required_metadata("mixture");
  if (text.empty()) return {};
  try {
    return parse_integer_list("mixture", text, 0);
  } catch (const UsageError&) {
    file.refuse_metadata("mixture", "distances with commas between, or none");
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
         (stands_in_other_blocks(settings) ? "-in-blocks" : "") + "-distance" +
         std::to_string(settings.distance) + "-seed" + std::to_string(settings.seed) +
         ".safetensors";
}

void write_model(const std::filesystem::path& path, const TrainingSettings& settings,
                 SequenceModel<float>& model) {
  const std::map<std::string, std::string> metadata = metadata_of(settings);
  std::vector<NamedTensor> tensors;
  for (std::size_t k = 0; k < model.parameters().size(); ++k) {
    tensors.push_back({model.parameter_names()[k], &model.parameters()[k]->value});
  }
  std::filesystem::remove(path);
  write_safetensors(path, metadata, tensors);
}

TrainingSettings model_settings(const TensorFile& file) {
  TrainingSettings settings;
  const std::string task = file.metadata_name("task", task_names());
  const std::string setup = file.metadata_name("setup", setup_names());
  for (const Task& each : all_tasks()) {
    if (each.name == task && each.setup == setup) settings.task = &each;
  }
  if (settings.task == nullptr) file.refuse_metadata("setup", "one that " + task + " has");
  settings.model = file.metadata_name("model", model_names());
  settings.variant =
      *find_variant(settings.model, file.metadata_name("variant", variant_names({settings.model})));
  if (file.required_metadata("vocabulary") != vocabulary_of(*settings.task)) {
    throw FileError(file.name + ": its vocabulary is not that of task " + task +
                    "; expected a model trained by this version");
  }
  settings.distance =
      file.metadata_integer("distance", settings.task->min_distance(0), kLargestInteger);
  settings.mixture = mixture_of(file);
  settings.pairs = file.metadata_integer("pairs", 0, kLargestInteger);
  settings.seed = file.metadata_integer("seed", 0, kLargestInteger);
  visit_fields(settings.form, FieldReader{file});
  const ModelForm& form = settings.form;
  if (form.width % form.heads != 0) file.refuse_metadata("heads", "a divisor of the width");
  if (form.as_gpt2 && settings.task->answers != settings.task->vocabulary) {
    file.refuse_metadata("as_gpt2", "false, since " + task + " has other answers than tokens");
  }
  if (!form.residual && form.mlp_expansion > 0) {
    file.refuse_metadata("mlp_expansion", "0 without residual blocks");
  }
  if (form.direct_input && !can_read_directly(model_spec(settings))) {
    file.refuse_metadata("direct_input", "false but for bare recurrent layers in one direction");
  }
  if (form.mlp == MlpKind::kIdentity && (!form.residual || form.mlp_expansion > 0)) {
    file.refuse_metadata("mlp", "another one without residual blocks or with an mlp_expansion");
  }
  std::vector<std::string> known;
  for (const auto& [key, value] : metadata_of(settings)) known.push_back(key);
  file.refuse_other_metadata(known);
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
  file.refuse_other_tensors(model.parameter_names(), "the parameters of its model, such as " +
                                                         model.parameter_names().front());
}

}  // namespace seqbench
