#include "harness/commands/train.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <optional>

#include "harness/base/command_line.h"
#include "harness/base/errors.h"
#include "harness/base/interrupt.h"
#include "harness/base/progress.h"
#include "harness/base/units.h"
#include "harness/files/run_directory.h"
#include "harness/machine/memory.h"
#include "harness/machine/placement.h"
#include "harness/models/registry.h"
#include "harness/text/checkpoint.h"
#include "harness/text/corpus.h"
#include "harness/text/known_texts.h"
#include "harness/text/text_settings.h"
#include "harness/text/text_tables.h"
#include "harness/text/text_training.h"
#include "harness/text/text_tuning.h"
#include "harness/timing/grid.h"

namespace seqbench {
namespace {

void add_options(CommandLine& line) {
  line.option(
      "text", "",
      "the file to learn, of any size: UTF-8, or any bytes; or bible, the King James Bible that "
      "scripts/bootstrap --text writes to texts/bible.txt");
  line.option("vocabulary", "",
              "bytes, or characters: the text's own (default: characters where it is UTF-8 and has "
              "at most 256)");
  line.option("model", "all", "models, comma list");
  line.option("variant", "",
              "variants, each for the models that have it (default: default, of attention rotary; "
              "with a preset its own)");
  line.option("preset", "",
              "a published setting as a whole (" + join(text_preset_names()) +
                  "); the budget may be another");
  line.option("layers", "2", "blocks");
  line.option("width", "128", "width of embedding and layers");
  line.option("heads", "4", "heads of attention");
  line.option(
      "match", "width",
      "what models share: width; or parameters: the smaller ones are widened until all have "
      "as many as the largest, within 10 %");
  line.option("length", "256", "context: tokens of a window");
  line.option("batch", "16", "windows a step");
  line.flag(
      "stateful",
      "each window goes on where the one before it in its stream ended, and from the state that "
      "it left, as recurrent models are used; of these alone");
  line.option("steps", "", "budget: optimiser steps (default: 1000)");
  line.option("tokens", "", "budget: tokens trained on");
  line.option("budget", "",
              "budget: seconds of training, such as 120s or 10min; validation does not count");
  line.option(
      "learning-rate", "1e-3",
      "peak learning rate, a tenth of which is the last one; lstm=3e-3,1e-3: of one model, and "
      "of the others");
  line.option("validations", "10", "how often the loss over the last tenth of the text is told");
  line.option(
      "dtype", "float32",
      "what factors of products are rounded to, comma list of float32, bfloat16; parameters "
      "and optimiser stay float32");
  line.option("seeds", "1", "trainings of each model, with seeds counted up");
  line.option("seed", "1", "first seed; of --tune 1000 unless given");
  line.flag(
      "tune",
      "instead, each model at the learning rates 3e-4 to 1e-2, and beyond where the best is at the "
      "edge, with the budget of a training each; text-tuning.csv");
  line.option("threads", "", "threads of each training (default: all CPUs)");
  line.option("config", "", "file of further options, one name=value a line");
  add_output_options(line);
  line.flag("no-progress", "no progress line on stderr");
}

/// "120", "120s", "10min", "2h".
double parse_seconds(const std::string& option, const std::string& text) {
  struct Unit {
    const char* name;
    double seconds;
  };
  for (const Unit unit : {Unit{"min", 60}, Unit{"s", 1}, Unit{"h", 3600}, Unit{"", 1}}) {
    if (!text.ends_with(unit.name)) continue;
    const std::string number = text.substr(0, text.size() - std::string(unit.name).size());
    const auto value = number_within(number, 1e-3, 1e7);
    if (value) return *value * unit.seconds;
    break;
  }
  refuse_option(option, text, "seconds such as 120s, or minutes such as 10min");
}

std::optional<VocabularyKind> vocabulary_of(const CommandLine& line) {
  if (!line.given("vocabulary")) return std::nullopt;
  const std::vector<std::string> names(std::begin(kVocabularyNames), std::end(kVocabularyNames));
  return VocabularyKind(std::ranges::find(names, line.name("vocabulary", names)) - names.begin());
}

TextBudget budget_of(const CommandLine& line, const TextBudget& fallback) {
  const std::vector<std::string> names = {"steps", "tokens", "budget"};
  const auto given = [&](const std::string& name) { return line.given(name); };
  const auto first = std::ranges::find_if(names, given);
  if (first == names.end()) return fallback;
  const auto second = std::find_if(first + 1, names.end(), given);
  if (second != names.end()) {
    refuse_option(*second, line.text(*second), "nothing beside --" + *first);
  }
  if (*first == "steps") return {.steps = line.integer("steps")};
  if (*first == "tokens") return {.tokens = line.integer("tokens")};
  return {.seconds = parse_seconds("budget", line.text("budget"))};
}

/// The rate that stands behind "MODEL=", else the one that stands alone, else the default.
double learning_rate_of(const CommandLine& line, const std::string& model) {
  const std::string text = line.text("learning-rate");
  double of_model = TextSettings().learning_rate;
  bool is_own = false;
  for (const std::string& part : split(text, ',')) {
    const std::size_t sign = part.find('=');
    const bool is_named = sign != std::string::npos;
    const std::string name = is_named ? part.substr(0, sign) : "";
    const auto rate = number_within(is_named ? part.substr(sign + 1) : part, 1e-12, 1e3);
    const auto names = model_names();
    if (!rate || (is_named && std::ranges::find(names, name) == names.end())) {
      refuse_option("learning-rate", text,
                    "a number from 1e-12 to 1000, and others behind the names of models, such as "
                    "1e-3,lstm=3e-3");
    }
    if (is_named ? name != model : is_own) continue;
    of_model = *rate;
    is_own = is_named;
  }
  return of_model;
}

/// All but model, variant and seed, and what may differ between models.
TextSettings common_settings(const CommandLine& line) {
  TextSettings settings;
  if (line.given("preset")) {
    line.refuse_given({"variant", "layers", "width", "heads", "match", "length", "batch",
                       "learning-rate", "vocabulary"},
                      "nothing beside --preset, which fixes it");
    settings = text_preset(line.name("preset", text_preset_names())).settings;
  } else {
    settings.form =
        gpt2_form(line.integer("width"), line.integer("layers", 1, 1000), line.integer("heads"));
    settings.length = line.integer("length");
    settings.batch = line.integer("batch");
    settings.budget = {.steps = 1000};
  }
  if (line.flag_given("tune")) {
    line.refuse_given({"learning-rate", "validations"}, "nothing beside --tune, which tries rates");
  }
  settings.budget = budget_of(line, settings.budget);
  settings.validations = line.integer("validations", 1, 100);
  settings.stateful = line.flag_given("stateful");
  return settings;
}

/// Those asked for that the model has; where none are named, what stands for it.
std::vector<Variant> variants_of(const CommandLine& line, const std::string& model) {
  std::vector<std::string> names;
  if (line.given("variant")) {
    std::vector<std::string> all;
    for (const std::string& each : model_names()) {
      for (const std::string& name : text_variants(each)) {
        if (std::ranges::find(all, name) == all.end()) all.push_back(name);
      }
    }
    names = line.names("variant", all);
  } else if (!model_info(model).has_heads()) {
    names = {model_info(model).variants.front()};
  } else {
    names = {line.given("preset") ? text_preset(line.text("preset")).attention_variant : "rotary"};
  }
  std::vector<Variant> variants;
  for (const std::string& name : names) {
    const auto of_model = text_variants(model);
    if (std::ranges::find(of_model, name) == of_model.end()) continue;
    variants.push_back(*find_variant(model, name));
  }
  return variants;
}

/// Throws UsageError for factors that the variant's kernel does not take.
void check_kernel(const CommandLine& line, const TextSettings& settings) {
  if (settings.factors == Factors::kAsTheyAre) return;
  const std::string kernel = block_spec(model_spec(settings), 0, nullptr).layer.kernel;
  if (kernel == model_info(settings.model).rounded_kernel) return;
  refuse_option("dtype", line.text("dtype"),
                "float32 for the variant " + settings.variant.name + ", whose kernel is " + kernel);
}

/// Those of --model; where none are named all that can be trained so.
std::vector<std::string> requested_models(const CommandLine& line) {
  const std::vector<std::string> recurrent = model_names(ModelKind::kRecurrent);
  if (!line.flag_given("stateful")) return line.names("model", model_names());
  if (!line.given("model")) return recurrent;
  const std::vector<std::string> models = line.names("model", model_names());
  if (std::ranges::any_of(models,
                          [](const auto& model) { return model_info(model).has_heads(); })) {
    refuse_option(
        "stateful", "true",
        "models that carry a state from window to window: --model " + join(recurrent, ","));
  }
  return models;
}

std::vector<TextSettings> requested_trainings(const CommandLine& line, Index vocabulary) {
  TextSettings common = common_settings(line);
  common.vocabulary = vocabulary;
  const bool tunes = line.flag_given("tune");
  const Index first_seed = tunes && !line.given("seed") ? kTuningSeed : line.integer("seed", 0);
  const Index seeds = line.integer("seeds", 1, 10000);
  const std::vector<Factors> dtypes = parse_dtypes(line);
  std::vector<TextSettings> trainings;
  for (const std::string& model : requested_models(line)) {
    for (const Variant& variant : variants_of(line, model)) {
      if (common.stateful && !can_carry_state(model, variant)) {
        refuse_option("stateful", "true",
                      "variants without a convolution, unlike --variant " + variant.name);
      }
      TextSettings settings = common;
      if (settings.preset.empty()) {
        settings.learning_rate = learning_rate_of(line, model);
        settings.last_learning_rate = settings.learning_rate / 10;
      }
      settings.model = model;
      settings.variant = variant;
      if (model_info(model).has_heads()) check_heads(line, settings.form);
      for (const Factors factors : dtypes) {
        settings.factors = factors;
        check_kernel(line, settings);
        for (settings.seed = first_seed; settings.seed < first_seed + seeds; ++settings.seed) {
          trainings.push_back(settings);
        }
      }
    }
  }
  if (trainings.empty()) {
    refuse_option("variant", line.text("variant"), "one that " + line.text("model") + " has");
  }
  if (line.name("match", {"width", "parameters"}) == "parameters") {
    match_parameters(trainings);
  }
  return trainings;
}

void check_memory(const std::vector<TextSettings>& trainings, Index threads) {
  for (const TextSettings& settings : trainings) {
    const double bytes = text_training_bytes(settings, threads);
    if (bytes <= usable_memory_bytes()) continue;
    throw UsageError(label(settings) + " needs " + human_bytes(bytes) + ", and " +
                     human_bytes(usable_memory_bytes()) +
                     " are free; expected a smaller --batch, --length, --width or --layers");
  }
}

void print_header() {
  std::printf("%-10s %-12s %5s %-8s %10s %9s %12s %9s %11s %11s %9s %10s\n", "model", "variant",
              "seed", "dtype", "parameters", "step", "tokens", "seconds", "train loss",
              "valid loss", "bits/byte", "tokens/s");
}

void print_point(const TextSettings& settings, Index parameters, const TextPoint& point) {
  std::printf("%-10s %-12s %5td %-8s %10td %9td %12td %9.1f %11.4f %11.4f %9.4f %10.0f\n",
              settings.model.c_str(), settings.variant.name.c_str(), settings.seed,
              dtype_name(settings.factors), parameters, point.step, point.tokens, point.seconds,
              point.train_loss, *point.valid_loss, *point.bits_per_byte, point.tokens_per_second);
  std::fflush(stdout);
}

/// The published text is known by its sum.
void warn_of_another_text(const CommandLine& line, const Corpus& corpus) {
  if (!line.given("preset")) return;
  const TextPreset& preset = text_preset(line.text("preset"));
  std::printf("%s: %s\n", line.text("preset").c_str(), preset.source.c_str());
  if (corpus.sha256() == preset.sha256) return;
  std::cerr << "seqbench: the text's sha256 is " << corpus.sha256() << ", that of the published "
            << "figure's " << preset.sha256 << ": losses cannot be compared with it\n";
}

constexpr const char* kModelFolder = "models";

/// What the command writes.
std::vector<std::string> files_of(const std::vector<TextSettings>& trainings) {
  std::vector<std::string> files = {kTextFile, kContextFile, kTextSamplesFile};
  for (const TextSettings& settings : trainings) {
    files.push_back(std::string(kModelFolder) + "/" + text_model_file_name(settings));
  }
  return files;
}

class TrainRun {
 public:
  TrainRun(const std::vector<TextSettings>& trainings, const Corpus& corpus, const ThreadTeam& team,
           TextTables& tables, std::filesystem::path models, bool shows_progress)
      : corpus_(corpus),
        team_(team),
        tables_(tables),
        models_(std::move(models)),
        progress_(double(trainings.size()), shows_progress) {}

  /// False when the loss was not finite.
  bool run(const TextSettings& settings) {
    TextTraining training(settings, corpus_, team_);
    const auto file = models_ / text_model_file_name(settings);
    if (std::filesystem::exists(file)) training.go_on_from(read_safetensors(file));
    tables_.cut_behind(settings, training.step_number());
    const Index parameters = training.model().parameter_count();
    double loss = 0;
    while (training.progress() < 1) {
      stop_if_interrupted();
      training.step();
      if (training.is_point_due()) {
        const TextPoint point = training.take_point();
        loss = point.train_loss;
        progress_.clear();
        tables_.write(settings, parameters, point);
        if (point.valid_loss) print_point(settings, parameters, point);
        if (!training.is_sound()) return tell_unsound(settings, point.step);
        if (point.valid_loss || Clock::now() - saved_ > kSaveInterval) {
          training.save(file);
          saved_ = Clock::now();
        }
      }
      show(settings, training, loss);
    }
    const std::vector<ContextLoss> losses = training.context_losses();
    if (const auto sample = training.write_sample()) tables_.write(settings, *sample);
    tables_.write(settings, losses);
    ++done_;
    return true;
  }

  void pass_over() { ++done_; }

 private:
  using Clock = std::chrono::steady_clock;
  // A training that is killed loses as much at most, and a hundredth of itself.
  static constexpr std::chrono::seconds kSaveInterval{10};

  bool tell_unsound(const TextSettings& settings, Index step) {
    ++done_;
    std::cerr << "seqbench: " << label(settings) << ": the loss is not finite at step " << step
              << "; a lower --learning-rate may help\n";
    return false;
  }

  void show(const TextSettings& settings, const TextTraining& training, double loss) {
    if (!progress_.is_due()) return;
    char text[64];
    std::snprintf(text, sizeof(text), ", step %td: loss %.3f", training.step_number(), loss);
    progress_.update(done_ + training.progress(), label(settings) + text);
  }

  const Corpus& corpus_;
  const ThreadTeam& team_;
  TextTables& tables_;
  std::filesystem::path models_;  // folder
  Clock::time_point saved_ = Clock::now();
  Progress progress_;
  double done_ = 0;  // trainings
};

}  // namespace

int train_command(const std::vector<std::string>& arguments) {
  CommandLine line(
      "train", "--text FILE [options]",
      "Train models to predict a text's next token; loss against seconds and tokens.",
      "  seqbench train --text book.txt --budget 120s --out results/book\n"
      "  seqbench train --text shakespeare.txt --preset nanogpt-shakespeare --seeds 3\n"
      "  seqbench train --text book.txt --model lstm,attention --match parameters\n"
      "  seqbench train --text book.txt --model attention --variant rotary,learned\n"
      "  seqbench train --text book.txt --model lstm,gru --stateful\n"
      "  seqbench train --text book.txt --steps 300 --tune --out results/rates\n"
      "  seqbench train --text book.txt --model lstm,attention --dtype float32,bfloat16\n");
  add_options(line);
  if (!line.parse(arguments)) return 0;
  line.refuse_passed_on();
  const Index threads = line.given("threads") ? line.integer("threads", 1, kMostThreads)
                                              : Index(usable_cpus().size());
  // What is wrong with the options is told before a large text is read.
  requested_trainings(line, 256);
  const std::optional<VocabularyKind> kind = vocabulary_of(line);
  if (!line.given("text")) refuse_option("text", "", "a file");
  const Corpus corpus(text_path(line.text("text")), kind);
  require_known_sum(line.text("text"), corpus.sha256());
  const auto trainings = requested_trainings(line, corpus.vocabulary().size());
  corpus.require_windows(trainings.front().length);
  if (trainings.front().stateful) {
    corpus.require_streams({trainings.front().batch, trainings.front().length});
  }
  check_memory(trainings, threads);

  const bool tunes = line.flag_given("tune");
  RunDirectory directory(line,
                         tunes ? std::vector<std::string>{kTextTuningFile} : files_of(trainings));
  directory.refuse_other_options("train", line, {"train"});
  if (tunes) {
    directory.record_command("train", line);
    warn_of_another_text(line, corpus);
    const int code = tune_on_text(trainings, corpus, make_team(int(threads)), directory);
    directory.record_end(code);
    std::printf("\n%s\n", directory.path().c_str());
    return code;
  }
  const std::filesystem::path models = directory.file(kModelFolder);
  std::filesystem::create_directory(models);
  remove_drafts(models);
  TextTables tables(directory, int(threads));
  directory.record_command("train", line);
  warn_of_another_text(line, corpus);
  const ThreadTeam team = make_team(int(threads));
  TrainRun run(trainings, corpus, team, tables, models, !line.flag_given("no-progress"));
  bool all_sound = true;
  print_header();
  for (const TextSettings& settings : trainings) {
    if (tables.holds_finished(settings)) {
      run.pass_over();
    } else {
      all_sound = run.run(settings) && all_sound;
    }
  }
  const int code = all_sound ? 0 : 1;
  directory.record_end(code);
  std::printf("\n%s\n", directory.path().c_str());
  return code;
}

}  // namespace seqbench
