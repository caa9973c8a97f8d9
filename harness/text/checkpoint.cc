#include "harness/text/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <limits>

#include "harness/base/command_line.h"
#include "harness/base/errors.h"
#include "harness/machine/memory.h"
#include "harness/models/registry.h"
#include "harness/timing/case.h"

namespace seqbench {
namespace {

constexpr Index kVersion = 2;  // 1: without "stateful"
constexpr const char* kVersionKey = "seqbench_text_model";
constexpr const char* kDtypeKey = "dtype";
constexpr const char* kFirstMoment = "first_moment.";
constexpr const char* kSecondMoment = "second_moment.";
constexpr const char* kCarriedState = "carried_state";
constexpr const char* kStateful = "stateful";
constexpr const char* kPlaces = "places";

using Metadata = std::map<std::string, std::string>;

/// The shortest digits that read back as the same number.
std::string exact(double number) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof(text), number).ptr};
}

std::string text_of(Index number) { return std::to_string(number); }
std::string text_of(double number) { return exact(number); }
std::string text_of(const std::string& text) { return text; }
std::string text_of(bool truth) { return truth ? "true" : "false"; }

/// Calls visit(key, field) for what a training is chosen by, but for its variant and what all
/// trainings share (text_settings.h has these as defaults).
template <typename Settings, typename Visit>
void visit_settings(Settings& settings, const Visit& visit) {
  visit("preset", settings.preset);
  visit("model", settings.model);
  visit("match", settings.match);
  visit("width", settings.form.width);
  visit("layers", settings.form.layers);
  visit("heads", settings.form.heads);
  visit("length", settings.length);
  visit("batch", settings.batch);
  visit("seed", settings.seed);
  visit("budget_steps", settings.budget.steps);
  visit("budget_tokens", settings.budget.tokens);
  visit("budget_seconds", settings.budget.seconds);
  visit("learning_rate", settings.learning_rate);
  visit("last_learning_rate", settings.last_learning_rate);
  visit("warmup_steps", settings.warmup_steps);
  visit(kStateful, settings.stateful);
}

Metadata training_metadata(const TextModelFacts& facts) {
  Metadata metadata{{kVersionKey, text_of(kVersion)},
                    {"variant", facts.settings.variant.name},
                    {"text_sha256", facts.text_sha256},
                    {"vocabulary", kVocabularyNames[std::size_t(facts.vocabulary.kind())]},
                    {"alphabet", facts.vocabulary.alphabet()}};
  visit_settings(facts.settings,
                 [&](const char* key, const auto& field) { metadata[key] = text_of(field); });
  // Files without it are of trainings in float32.
  if (facts.settings.factors != Factors::kAsTheyAre) {
    metadata[kDtypeKey] = dtype_name(facts.settings.factors);
  }
  return metadata;
}

/// "12,345".
std::string list_of(const std::vector<Index>& numbers) {
  std::vector<std::string> words;
  for (const Index number : numbers) words.push_back(std::to_string(number));
  return join(words, ",");
}

std::vector<Index> list_in(const TensorFile& file, const std::string& key) {
  std::vector<Index> numbers;
  for (const std::string& part : split(file.required_metadata(key), ',')) {
    const auto number = integer_within(part, 0, std::numeric_limits<Index>::max());
    if (!number) file.refuse_metadata(key, "integers from 0 with commas between");
    numbers.push_back(*number);
  }
  return numbers;
}

/// Of a file that older versions may have written, too.
std::string value_in(const TensorFile& file, const std::string& key) {
  if (key == kStateful && !file.metadata.contains(key)) return text_of(false);
  return file.required_metadata(key);
}

Metadata metadata_of(const TextModelFacts& facts) {
  Metadata metadata = training_metadata(facts);
  metadata["step"] = text_of(facts.at.step);
  metadata["seconds"] = exact(facts.at.seconds);
  metadata["warmup_share"] = exact(facts.at.warmup_share);
  metadata["finished"] = text_of(facts.is_finished);
  if (facts.settings.stateful && !facts.is_finished) metadata[kPlaces] = list_of(facts.places);
  return metadata;
}

double number_in(const TensorFile& file, const std::string& key, double most) {
  const auto value = number_within(file.required_metadata(key), 0, most);
  if (!value) file.refuse_metadata(key, "a number from 0 to " + exact(most));
  return *value;
}

struct SettingsReader {
  const TensorFile& file;

  void operator()(const char* key, std::string& field) const {
    field = file.required_metadata(key);
  }
  void operator()(const char* key, Index& field) const {
    field = file.metadata_integer(key, 0, kLargestInteger);
  }
  void operator()(const char* key, double& field) const { field = number_in(file, key, 1e15); }
  void operator()(const char* key, bool& field) const {
    const std::string value = value_in(file, key);
    field = value == text_of(true);
    if (value != text_of(field)) file.refuse_metadata(key, "true or false");
  }
};

Vocabulary vocabulary_in(const TensorFile& file) {
  const std::vector<std::string> names(std::begin(kVocabularyNames), std::end(kVocabularyNames));
  if (file.metadata_name("vocabulary", names) == names.front()) return {};
  const std::string& alphabet = file.required_metadata("alphabet");
  const auto characters = characters_of(alphabet);
  if (characters.empty()) file.refuse_metadata("alphabet", "characters in UTF-8");
  Vocabulary vocabulary(characters);
  if (vocabulary.alphabet() != alphabet) {
    file.refuse_metadata("alphabet", "characters that ascend, each once");
  }
  return vocabulary;
}

void refuse_other_version(const TensorFile& file) {
  if (!file.metadata.contains(kVersionKey)) {
    throw FileError(file.name +
                    ": is no model of a text; expected a file that seqbench train wrote");
  }
  const Index version = file.metadata_integer(kVersionKey, 1, kLargestInteger);
  if (version > kVersion) {
    throw FileError(file.name + ": is of version " + std::to_string(version) +
                    " of these files; this program knows them up to " + std::to_string(kVersion) +
                    ": a newer seqbench wrote it");
  }
}

/// Gives a tensor the values of the file's.
void load(const TensorFile& file, const std::string& name, Tensor<float>& tensor) {
  std::ranges::copy(file.tensor(name, tensor.shape()).values(), tensor.data());
}

}  // namespace

std::string text_model_file_name(const TextSettings& settings) {
  return settings.model + "-" + settings.variant.name + "-seed" + std::to_string(settings.seed) +
         dtype_suffix(settings.factors, '-') + ".safetensors";
}

void write_text_model(const std::filesystem::path& path, const TextModelFacts& facts,
                      SequenceModel<float>& model, const AdamWState<float>& state,
                      const Tensor<float>* carried) {
  std::vector<NamedTensor> tensors;
  for (std::size_t k = 0; k < model.parameters().size(); ++k) {
    const std::string& name = model.parameter_names()[k];
    tensors.push_back({name, &model.parameters()[k]->value});
    if (facts.is_finished) continue;
    tensors.push_back({kFirstMoment + name, &state.first_moments[k]});
    tensors.push_back({kSecondMoment + name, &state.second_moments[k]});
  }
  if (carried != nullptr && !facts.is_finished) tensors.push_back({kCarriedState, carried});
  write_safetensors(path, metadata_of(facts), tensors, Existing::kReplace);
}

TextModelFacts text_model_facts(const TensorFile& file) {
  refuse_other_version(file);
  TextModelFacts facts;
  TextSettings& settings = facts.settings;
  visit_settings(settings, SettingsReader{file});
  file.metadata_name("model", model_names());
  settings.variant =
      *find_variant(settings.model, file.metadata_name("variant", text_variants(settings.model)));
  for (const char* key : {"width", "layers", "heads", "length", "batch"}) {
    file.metadata_integer(key, 1, kLargestInteger);
  }
  settings.form = gpt2_form(settings.form.width, settings.form.layers, settings.form.heads);
  if (settings.form.width % settings.form.heads != 0) {
    file.refuse_metadata("heads", "a divisor of the width");
  }
  if (file.metadata.contains(kDtypeKey)) {
    file.metadata_name(kDtypeKey, {dtype_name(Factors::kBfloat16)});
    settings.factors = Factors::kBfloat16;
  }
  facts.vocabulary = vocabulary_in(file);
  settings.vocabulary = facts.vocabulary.size();
  facts.text_sha256 = file.required_metadata("text_sha256");
  facts.at = {.step = file.metadata_integer("step", 0, kLargestInteger),
              .seconds = number_in(file, "seconds", 1e15),
              .warmup_share = number_in(file, "warmup_share", 1)};
  facts.is_finished = file.metadata_name("finished", {"false", "true"}) == "true";
  if (settings.stateful && !can_carry_state(settings.model, settings.variant)) {
    file.refuse_metadata(kStateful, "false, of such a model");
  }
  if (settings.stateful && !facts.is_finished) facts.places = list_in(file, kPlaces);
  std::vector<std::string> known;
  for (const auto& [key, value] : metadata_of(facts)) known.push_back(key);
  file.refuse_other_metadata(known);
  if (sizeof(float) * declared_parameters(model_spec(settings)) > usable_memory_bytes()) {
    throw FileError(file.name + ": a model of the sizes in its metadata does not fit in memory");
  }
  return facts;
}

void refuse_other_training(const TensorFile& file, const TextModelFacts& facts) {
  refuse_other_version(file);
  for (const auto& [key, value] : training_metadata(facts)) {
    const std::string found = value_in(file, key);
    // A training goes on from an older version's file as well.
    if (found == value || key == kVersionKey) continue;
    throw FileError(file.name + ": is of another training: its " + key + " is '" + found +
                    "', expected '" + value + "'");
  }
}

void load_text_model(const TensorFile& file, const TextModelFacts& facts,
                     SequenceModel<float>& model, AdamWState<float>* state) {
  std::vector<std::string> known;
  for (std::size_t k = 0; k < model.parameters().size(); ++k) {
    const std::string& name = model.parameter_names()[k];
    load(file, name, model.parameters()[k]->value);
    known.push_back(name);
    if (facts.is_finished) continue;
    known.push_back(kFirstMoment + name);
    known.push_back(kSecondMoment + name);
    if (state == nullptr) continue;
    load(file, kFirstMoment + name, state->first_moments[k]);
    load(file, kSecondMoment + name, state->second_moments[k]);
  }
  if (facts.settings.stateful && !facts.is_finished) known.push_back(kCarriedState);
  if (state != nullptr) state->steps_taken = facts.at.step;
  file.refuse_other_tensors(
      known, "the parameters of its model, such as " + model.parameter_names().front());
}

void load_carried_state(const TensorFile& file, Tensor<float>& carried) {
  load(file, kCarriedState, carried);
}

}  // namespace seqbench
