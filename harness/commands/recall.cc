#include "harness/commands/recall.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>
#include <set>

#include "harness/base/command_line.h"
#include "harness/base/errors.h"
#include "harness/base/statistics.h"
#include "harness/files/run_directory.h"
#include "harness/machine/memory.h"
#include "harness/models/registry.h"
#include "harness/tasks/presets.h"
#include "harness/tasks/task.h"
#include "harness/tasks/tasks.h"
#include "harness/training/ablations.h"
#include "harness/training/frontier.h"
#include "harness/training/model_file.h"
#include "harness/training/parameter_matching.h"
#include "harness/training/recall_tables.h"
#include "harness/training/side_by_side.h"
#include "harness/training/sweep_probe.h"
#include "harness/training/training_run.h"
#include "harness/training/training_settings.h"
#include "harness/training/tuning.h"

namespace seqbench {
namespace {

/// "first_token: sequence length; …".
std::string distance_meanings() {
  std::vector<std::string> meanings;
  for (const std::string& name : task_names()) {
    meanings.push_back(name + ": " + task_by_name(name).distance_meaning);
  }
  return join(meanings, "; ");
}

/// "what recurrent starts remember: first_token, …; …".
std::string tasks_by_evidence() {
  std::vector<std::string> groups;
  for (std::size_t k = 0; k < std::size(kEvidenceNames); ++k) {
    std::vector<std::string> names;
    for (const Task& task : all_tasks()) {
      const bool is_further = task_by_name(task.name).setup != task.setup;
      if (task.evidence_for != EvidenceFor(k)) continue;
      names.push_back(is_further ? task.name + " in set-up " + task.setup : task.name);
    }
    groups.push_back(std::string(kEvidenceNames[k]) + ": " + join(names, ", "));
  }
  return join(groups, "; ");
}

void add_options(CommandLine& line) {
  line.option("task", "first_token",
              "tasks, comma list, and what each is evidence for (" + tasks_by_evidence() + ")");
  line.option("setup", "all", "set-ups of these tasks, comma list (" + join(setup_names()) + ")");
  line.option("model", "all", "models, comma list");
  line.option("variant", "",
              "variants, each for the models that have it (" + join(variant_names()) +
                  "; default: the task's)");
  line.option(
      "distance", "",
      "comma list, on the task's own axis (" + distance_meanings() + "; default: the task's)");
  line.option("test-distance", "",
              "further distances that each model is tested at, comma list (default: the task's)");
  line.option(
      "regime", "single",
      "single: a model for each distance; mixed: one model trained on all of them, tested at "
      "each and at twice the longest; comma list");
  line.option("group", "",
              "of word_problem: s3 (default), z60, a5; its rows are those of the tasks "
              "word_problem, word_problem_z60 and word_problem_a5");
  line.option("pairs", "", "key-value pairs, for tasks that have them; comma list with --frontier");
  line.option("seeds", "", "trainings of each kind, with seeds counted up (default: the task's)");
  line.option("seed", "1", "first seed");
  line.option("steps", "", "training steps (default: the task's)");
  line.option("batch", "", "sequences a step (default: the task's)");
  line.option("width", "",
              "width of embedding and layers (default: the task's); comma list with --frontier");
  line.option("layers", "",
              "recurrent layers or attention blocks, comma list (default: the task's)");
  line.option("block", "layer",
              "where recurrent layers stand, comma list (layer: as the task has them, mostly bare; "
              "model: inside the task's blocks of attention, with their norms, residuals, MLP and "
              "--layers)");
  line.option("heads", "", "heads of attention (default: the task's)");
  line.option("match", "",
              "parameters: widens the smaller models of each task and distance until all have as "
              "many parameters as the largest, within 10 %");
  line.option("learning-rate", "", "peak learning rate (default: the task's for each model)");
  line.flag("tune",
            "try learning rates instead, until the best is not at the edge of those tried, at the "
            "middle distance with seeds 1000 to 1002; tuning.csv");
  line.flag("frontier",
            "memory against recall instead: accuracy beside the bytes carried from token to token "
            "and the rate of decoding, at widths 16..128 and 4, 8 and 16 pairs of mqar's shortest "
            "distance, unless options say otherwise; frontier.csv");
  line.flag("ablate",
            "what Q, K and V are for instead: attention of four heads whole and without each part, "
            "of mqar at its shortest distance and of causal coreference, unless options say "
            "otherwise; ablation.csv");
  line.option("gradient-steps", "",
              "how far back gradients are measured (default: the task's, mostly 512)");
  line.option("preset", "",
              "published settings as a whole, comma list (" + join(preset_names()) +
                  "); --model, --seeds and --seed may narrow it");
  line.option("threads", "", "trainings side by side (default: all CPUs)");
  line.option("memory-limit", "",
              "most memory that the trainings side by side may use together, such as 4GiB "
              "(default: three quarters of what is free)");
  line.flag(
      "newton",
      "measure, at the start, during and after training, how many sweeps solve all steps of a "
      "sequence at once, of the models that have the kernel newton; newton.csv");
  line.flag("save-models", "write every trained model to OUT/models/, for attend --model-file");
  line.option("config", "", "file of further options, one name=value a line");
  add_output_options(line);
  line.flag("no-progress", "no progress line on stderr");
}

Index integer_or(const CommandLine& line, const std::string& name, Index fallback) {
  return line.given(name) ? line.integer(name) : fallback;
}

bool is_frontier(const CommandLine& line) { return line.flag_given("frontier"); }
bool is_ablation(const CommandLine& line) { return line.flag_given("ablate"); }

/// Of which --frontier takes several. 0: as the task has it.
struct Size {
  Index width = 0;
  Index pairs = 0;
};

/// --pairs, or 0 for the task's own rule.
std::vector<Index> pairs_of(const Task& task, const CommandLine& line) {
  if (!line.given("pairs")) {
    const bool several = is_frontier(line) && task.pairs != nullptr;
    return several ? std::vector<Index>{4, 8, 16} : std::vector<Index>{0};
  }
  if (task.pairs == nullptr) {
    refuse_option("pairs", line.text("pairs"), "a task with pairs, which " + task.name + " is not");
  }
  if (is_frontier(line)) return line.integers("pairs", 2, task.most_pairs);
  return {line.integer("pairs", 2, task.most_pairs)};
}

/// --width, or 0 for the setting's.
std::vector<Index> widths_of(const CommandLine& line) {
  if (is_frontier(line)) {
    return line.given("width") ? line.integers("width") : std::vector<Index>{16, 32, 64, 128};
  }
  return {line.given("width") ? line.integer("width") : 0};
}

std::vector<Size> sizes_of(const Task& task, const CommandLine& line) {
  std::vector<Size> sizes;
  for (const Index width : widths_of(line)) {
    for (const Index pairs : pairs_of(task, line)) sizes.push_back({width, pairs});
  }
  return sizes;
}

/// The distances that an option names. Throws UsageError for one without room for `pairs`.
std::vector<Index> checked_distances(const std::string& option, const Task& task,
                                     const CommandLine& line, Index pairs) {
  const auto distances = line.integers(option, 0);
  const Index least = task.min_distance(pairs);
  for (const Index distance : distances) {
    if (distance >= least) continue;
    const std::string room = pairs > 0 ? " with " + std::to_string(pairs) + " pairs" : "";
    refuse_option(option, std::to_string(distance),
                  "at least " + std::to_string(least) + " (" + task.distance_meaning +
                      ") for task " + task.name + room);
  }
  return distances;
}

/// Those asked for, or the setting's; of these the shortest where one stands for all.
std::vector<Index> distances_of(const Task& task, const TaskDefaults& defaults,
                                const CommandLine& line, Index pairs) {
  if (line.given("distance")) return checked_distances("distance", task, line, pairs);
  if (!is_frontier(line) && !is_ablation(line)) return defaults.distances;
  return {defaults.distances.front()};
}

/// --variant, or the setting's. Where every model should have what helps it, that is the
/// convolution, if the task has it.
std::vector<std::string> variant_names_of(const TaskDefaults& defaults, const CommandLine& line) {
  if (line.given("variant")) return line.names("variant", variant_names());
  const bool has_convolution =
      std::ranges::find(defaults.variants, "conv3") != defaults.variants.end();
  if ((is_frontier(line) || is_ablation(line)) && has_convolution) return {"conv3"};
  return defaults.variants;
}

/// The memory for all trainings side by side.
double memory_limit_bytes(const CommandLine& line) {
  if (!line.given("memory-limit")) return usable_memory_bytes();
  return std::min(usable_memory_bytes(), parse_bytes("memory-limit", line.text("memory-limit")));
}

/// --layers, or what the setting has for the model.
std::vector<Index> layers_of(const CommandLine& line, const ModelForm& form) {
  return line.given("layers") ? line.integers("layers") : std::vector{form.layers};
}

/// The training with its layers in each place that --block names. Attention, and whatever the task
/// has in the same blocks, stands there already.
std::vector<TrainingSettings> in_blocks_asked_for(const TrainingSettings& settings,
                                                  const CommandLine& line) {
  const auto names = line.names("block", {"layer", "model"});
  const auto asked = [&](const char* name) {
    return std::ranges::find(names, name) != names.end();
  };
  const auto has_attention = [](const auto& model) { return model_info(model.first).has_heads(); };
  if (!asked("model") || model_info(settings.model).has_heads()) return {settings};
  if (std::ranges::none_of(settings.defaults().models, has_attention)) {
    refuse_option("block", line.text("block"),
                  "layer for task " + settings.task->name + ", which has no blocks of attention");
  }
  TrainingSettings blocks = in_attention_blocks(settings);
  blocks.form.width = integer_or(line, "width", blocks.form.width);  // not beside --frontier
  if (!asked("layer")) return {blocks};
  if (block_name(blocks.form) == block_name(settings.form)) return {settings};
  return {settings, blocks};
}

/// What all trainings of one model and variant share.
TrainingSettings settings_of(const Task& task, const Preset* preset, const std::string& model,
                             const Size& size, const CommandLine& line) {
  TrainingSettings settings = default_training(task, preset, model);
  settings.pairs = size.pairs;
  settings.training_steps = integer_or(line, "steps", settings.training_steps);
  if (size.width > 0) settings.form.width = size.width;
  if (is_ablation(line)) settings.form.heads = kAblatedHeads;
  settings.form.heads = integer_or(line, "heads", settings.form.heads);
  if (line.given("test-distance")) {
    settings.further_tests = checked_distances("test-distance", task, line, size.pairs);
  }
  if (line.given("learning-rate")) {
    settings.learning_rate = line.number("learning-rate", 1e-12, 1e3);
  }
  settings.gradient_reach = integer_or(line, "gradient-steps", settings.gradient_reach);
  settings.measure_sweeps = line.flag_given("newton") && takes_sweeps(settings);
  if (model_info(model).has_heads()) check_heads(line, settings.form);
  return settings;
}

/// The variants asked for that the model has, each once: two names can mean the same one.
std::vector<Variant> variants_of(const std::string& model, const std::vector<std::string>& names) {
  std::vector<Variant> variants;
  for (const std::string& name : names) {
    const std::optional<Variant> variant = find_variant(model, name);
    if (!variant) continue;
    const auto same = [&](const Variant& other) { return other.name == variant->name; };
    if (std::ranges::none_of(variants, same)) variants.push_back(*variant);
  }
  return variants;
}

/// One model for each distance, or one for all of them.
std::vector<TrainingSettings> in_regime(const std::string& regime, TrainingSettings settings,
                                        std::vector<Index> distances) {
  std::ranges::sort(distances);
  std::vector<TrainingSettings> trainings;
  if (regime == "mixed") {
    settings.mixture = distances;
    settings.distance = distances.back();
    trainings.push_back(settings);
  } else {
    for (const Index distance : distances) {
      settings.distance = distance;
      // gradient.csv has one curve for a model, variant and seed: that of the longest distance.
      settings.measure_gradients = distance == distances.back();
      trainings.push_back(settings);
    }
  }
  return trainings;
}

/// Models that the options ask for.
std::vector<std::string> models_of(const CommandLine& line) {
  std::vector<std::string> models = line.names("model", model_names());
  if (!is_ablation(line)) return models;
  std::erase_if(models, [](const std::string& model) { return !model_info(model).has_heads(); });
  if (models.empty()) {
    refuse_option(
        "model", line.text("model"),
        "one whose parts --ablate can take away: " + join(model_names(ModelKind::kAttention)));
  }
  return models;
}

/// Those of one task and size that the options ask for.
std::vector<TrainingSettings> trainings_of_size(const Task& task, const Preset* preset,
                                                const Size& size, const CommandLine& line) {
  const TaskDefaults& defaults = preset ? preset->settings : task.defaults;
  const auto distances = distances_of(task, defaults, line, size.pairs);
  const auto names = variant_names_of(defaults, line);
  const Index first_seed = line.integer("seed", 0);
  const Index seeds = line.given("seeds") ? line.integer("seeds", 1, 10000) : defaults.seeds;

  std::vector<TrainingSettings> trainings;
  for (const std::string& model : models_of(line)) {
    if (!defaults.models.contains(model)) continue;
    TrainingSettings settings = settings_of(task, preset, model, size, line);
    for (const Variant& variant : variants_of(model, names)) {
      settings.variant = variant;
      settings.batch = integer_or(line, "batch", settings.default_batch());
      if (settings.form.direct_input && variant.taps > 0) {
        refuse_option(
            "variant", variant.name,
            "one without a convolution where a model reads its input directly, as of " + task.name);
      }
      for (TrainingSettings placed : in_blocks_asked_for(settings, line)) {
        for (const Index layers : layers_of(line, placed.form)) {
          placed.form.layers = layers;
          for (const std::string& regime : line.names("regime", {"single", "mixed"})) {
            for (placed.seed = first_seed; placed.seed < first_seed + seeds; ++placed.seed) {
              const auto of_seed = in_regime(regime, placed, distances);
              trainings.insert(trainings.end(), of_seed.begin(), of_seed.end());
            }
          }
        }
      }
    }
  }
  return trainings;
}

/// All trainings of one task that the options ask for.
std::vector<TrainingSettings> trainings_of(const Task& task, const Preset* preset,
                                           const CommandLine& line) {
  std::vector<TrainingSettings> trainings;
  for (const Size& size : sizes_of(task, line)) {
    const auto of_size = trainings_of_size(task, preset, size, line);
    trainings.insert(trainings.end(), of_size.begin(), of_size.end());
  }
  if (line.given("match")) {
    line.names("match", {"parameters"});
    match_parameters(trainings);
  }
  return trainings;
}

/// The published settings asked for.
std::vector<const Preset*> presets_of(const CommandLine& line) {
  if (!line.given("preset")) return {};
  line.refuse_given(
      {"task", "group", "setup", "variant", "distance", "test-distance", "regime", "pairs", "steps",
       "batch", "width", "layers", "block", "heads", "match", "learning-rate"},
      "nothing beside --preset, which fixes it");
  std::vector<const Preset*> presets;
  for (const std::string& name : line.names("preset", preset_names())) {
    presets.push_back(&preset_by_name(name));
  }
  return presets;
}

std::vector<TrainingSettings> trainings_of_presets(const std::vector<const Preset*>& presets,
                                                   const CommandLine& line) {
  std::vector<TrainingSettings> trainings;
  std::set<std::string> models;
  for (const Preset* preset : presets) {
    const auto of_preset = trainings_of(task_by_name(preset->task), preset, line);
    trainings.insert(trainings.end(), of_preset.begin(), of_preset.end());
    for (const auto& [model, form] : preset->settings.models) models.insert(model);
  }
  if (trainings.empty()) {
    refuse_option("model", line.text("model"),
                  std::string("one that the ") +
                      (presets.size() == 1 ? "preset has: " : "presets have: ") +
                      join({models.begin(), models.end()}));
  }
  return trainings;
}

/// --task, or what --frontier and --ablate stand for; word_problem in the group that --group names.
std::vector<std::string> task_names_of(const CommandLine& line) {
  std::vector<std::string> names = line.names("task", task_names());
  if (!line.given("task") && is_frontier(line)) names = {"mqar"};
  if (!line.given("task") && is_ablation(line)) names = {"mqar", "coreference"};
  if (!line.given("group")) return names;
  const std::string group = line.name("group", {"s3", "z60", "a5"});
  const auto word_problem = std::ranges::find(names, "word_problem");
  if (word_problem == names.end()) {
    refuse_option("group", group, "nothing without --task word_problem");
  }
  if (group != "s3") *word_problem += "_" + group;
  return names;
}

/// Throws UsageError for options that --frontier or --ablate have no column or no use for.
void check_modes(const CommandLine& line) {
  std::vector<std::string> modes;
  for (const char* mode : {"tune", "frontier", "ablate"}) {
    if (line.flag_given(mode)) modes.push_back(mode);
  }
  if (modes.size() > 1) {
    refuse_option(modes[1], "true", "nothing beside --" + modes[0] + ", which writes another file");
  }
  if (modes.empty() || modes[0] == "tune") return;
  line.refuse_given({"preset", "regime", "block", "match", "test-distance"},
                    "nothing beside --" + modes[0]);
  if (line.flag_given("save-models")) {
    refuse_option("save-models", "true", "nothing beside --" + modes[0]);
  }
  if (modes[0] == "ablate" && line.given("layers") && line.integers("layers").size() > 1) {
    refuse_option("layers", line.text("layers"), "one number beside --ablate");
  }
}

/// --setup; --ablate stands for causal ones.
std::vector<std::string> setups_of(const CommandLine& line) {
  if (is_ablation(line) && !line.given("setup")) return {"causal"};
  return line.names("setup", setup_names());
}

std::vector<TrainingSettings> requested_trainings(const CommandLine& line) {
  check_modes(line);
  const auto presets = presets_of(line);
  if (!presets.empty()) return trainings_of_presets(presets, line);
  const auto tasks = task_names_of(line), setups = setups_of(line);
  std::vector<TrainingSettings> trainings;
  std::set<std::string> models;  // of these tasks
  bool any_task = false;
  const auto asked = [](const auto& names, const std::string& name) {
    return std::ranges::find(names, name) != names.end();
  };
  for (const Task& task : all_tasks()) {
    if (!asked(tasks, task.name) || !asked(setups, task.setup)) continue;
    any_task = true;
    const auto of_task = trainings_of(task, nullptr, line);
    trainings.insert(trainings.end(), of_task.begin(), of_task.end());
    for (const auto& [model, form] : task.defaults.models) models.insert(model);
  }
  if (!any_task)
    refuse_option("setup", line.text("setup"), "one that " + line.text("task") + " has");
  if (trainings.empty()) {
    const auto asked_models = line.names("model", model_names());
    const auto is_there = [&](const std::string& model) { return models.contains(model); };
    if (std::ranges::none_of(asked_models, is_there)) {
      refuse_option(
          "model", line.text("model"),
          "one that " + line.text("task") + " has: " + join({models.begin(), models.end()}));
    }
    refuse_option("variant", line.text("variant"),
                  "one that " + line.text("model") + " has: " + join(variant_names(asked_models)));
  }
  return trainings;
}

void check_newton(const CommandLine& line, const std::vector<TrainingSettings>& trainings) {
  if (line.flag_given("tune")) refuse_option("newton", "true", "nothing beside --tune");
  if (std::ranges::any_of(trainings, takes_sweeps)) return;
  refuse_option("newton", "true", "a --model with the kernel newton (see seqbench list)");
}

/// What is run under a published name, and in what it is not the published setting.
void print_presets(const std::vector<TrainingSettings>& trainings) {
  const Preset* last = nullptr;
  for (const TrainingSettings& settings : trainings) {
    const Preset* preset = settings.preset;
    if (preset == nullptr || preset == last) continue;
    std::printf("%s: %s%s%s\n", preset->name.c_str(), preset->source.c_str(),
                preset->differs.empty() ? "" : "; differs in: ", preset->differs.c_str());
    last = preset;
  }
}

void print_header() {
  std::printf("%-18s %-8s %-6s %-10s %-16s %6s %-6s %9s %6s %9s %-9s %9s %9s %9s  %s\n", "task",
              "setup", "regime", "model", "variant", "layers", "block", "distance", "seed",
              "accuracy", "outcome", "loss", "solved at", "seconds", "status");
}

void print_row(const CsvRow& row) {
  const auto text = [&row](const char* column) {
    const auto cell = row.find(column);
    return cell == row.end() || cell->second.text().empty() ? std::string("-")
                                                            : cell->second.text();
  };
  const auto number = [&](const char* column, const char* format) {
    if (text(column) == "-") return std::string("-");
    char formatted[32];
    std::snprintf(formatted, sizeof(formatted), format, std::stod(text(column)));
    return std::string(formatted);
  };
  const std::string reason = text("reason") == "-" ? "" : ": " + text("reason");
  std::printf("%-18s %-8s %-6s %-10s %-16s %6s %-6s %9s %6s %9s %-9s %9s %9s %9s  %s%s\n",
              text(text("preset") == "-" ? "task" : "preset").c_str(), text("setup").c_str(),
              text("regime").c_str(), text("model").c_str(), text("variant").c_str(),
              text("layers").c_str(), text("block").c_str(), text("distance").c_str(),
              text("seed").c_str(), number("accuracy", "%.3f").c_str(), text("outcome").c_str(),
              number("loss", "%.4g").c_str(), text("steps_to_solve").c_str(),
              number("train_seconds", "%.1f").c_str(), text("status").c_str(), reason.c_str());
  std::fflush(stdout);
}

/// Accuracy of every kind of training at every distance: the directory's rows, median over seeds.
void print_summary(const RunDirectory& directory, const std::vector<TrainingSettings>& trainings) {
  // Task or preset, setup, regime, model, variant, layers, block.
  using Kind = std::vector<std::string>;
  std::map<std::pair<Kind, Index>, std::vector<double>> accuracies;
  for (const auto& row : read_csv(directory.file(kRecallFile))) {
    if (row.at("accuracy").empty()) continue;
    const std::string& preset = row.at("preset");
    const Kind kind = {preset.empty() ? row.at("task") : preset,
                       row.at("setup"),
                       row.at("regime"),
                       row.at("model"),
                       row.at("variant"),
                       row.at("layers"),
                       row.at("block")};
    accuracies[{kind, std::stoll(row.at("distance"))}].push_back(std::stod(row.at("accuracy")));
  }
  std::vector<Kind> kinds;  // in the order asked for
  std::set<Index> distances;
  for (const TrainingSettings& settings : trainings) {
    const Kind kind = {settings.preset ? settings.preset->name : settings.task->name,
                       settings.task->setup,
                       settings.regime(),
                       settings.model,
                       settings.variant.name,
                       std::to_string(settings.form.layers),
                       block_name(settings.form)};
    if (std::ranges::find(kinds, kind) == kinds.end()) kinds.push_back(kind);
    for (const Index distance : settings.tested_distances()) distances.insert(distance);
  }
  std::printf("\naccuracy, median over seeds, at distance\n%-76s", "");
  for (const Index distance : distances) std::printf("%9td", distance);
  for (const Kind& kind : kinds) {
    std::printf("\n%-18s %-8s %-6s %-10s %-16s %6s %-6s", kind[0].c_str(), kind[1].c_str(),
                kind[2].c_str(), kind[3].c_str(), kind[4].c_str(), kind[5].c_str(),
                kind[6].c_str());
    for (const Index distance : distances) {
      const auto found = accuracies.find({kind, distance});
      if (found == accuracies.end()) {
        std::printf("%9s", "-");
      } else {
        std::printf("%9.3f", median(found->second));
      }
    }
  }
  std::printf("\n");
}

}  // namespace

int recall_command(const std::vector<std::string>& arguments) {
  CommandLine line("recall", "[options]",
                   "Train on long-range tasks; accuracy and gradient norm against distance.",
                   "  seqbench recall --distance 8..64 --seeds 3 --out results/recall\n"
                   "  seqbench recall --model lstm --variant default,chrono --distance 128\n"
                   "  seqbench recall --task parity --model lstm,attention\n"
                   "  seqbench recall --variant noanswer --steps 300\n"
                   "  seqbench recall --regime single,mixed --layers 1,2 --match parameters\n"
                   "  seqbench recall --model lstm --variant chrono --block layer,model\n"
                   "  seqbench recall --model lstm,gru --variant default,chrono --newton\n"
                   "  seqbench recall --task parity --model gru --tune\n"
                   "  seqbench recall --preset first-token --out results/published\n"
                   "  seqbench recall --task word_problem --distance 32 --test-distance 64,128\n"
                   "  seqbench recall --frontier --out results/frontier\n"
                   "  seqbench recall --ablate --out results/ablation\n");
  add_options(line);
  if (!line.parse(arguments)) return 0;
  line.refuse_passed_on();
  std::vector<TrainingSettings> requested = requested_trainings(line);
  const SideBySideOptions side_by_side{.threads = jobs_at_a_time(line),
                                       .memory_bytes = memory_limit_bytes(line),
                                       .shows_progress = !line.flag_given("no-progress")};
  const bool measures_sweeps = line.flag_given("newton");
  if (measures_sweeps) check_newton(line, requested);
  if (line.flag_given("tune")) return tune(line, requested, side_by_side);
  if (is_frontier(line) || is_ablation(line)) {
    for (TrainingSettings& settings : requested) settings.measure_gradients = false;
    return is_frontier(line) ? frontier(line, requested, side_by_side)
                             : ablate(line, requested, side_by_side);
  }

  std::vector<std::string> files = {kRecallFile, kLearningFile, kGradientFile, kDecayFile,
                                    kGapFile};
  if (measures_sweeps) files.push_back(kNewtonFile);
  RunDirectory directory(line, files);
  RecallTables tables(directory, measures_sweeps);
  std::vector<TrainingSettings> missing;
  std::ranges::copy_if(requested, std::back_inserter(missing),
                       [&](const auto& settings) { return !tables.holds_finished(settings); });
  directory.record_command("recall", line);
  std::filesystem::path model_folder;
  if (line.flag_given("save-models")) {
    model_folder = directory.file("models");
    std::filesystem::create_directory(model_folder);
  }
  print_presets(requested);
  print_header();
  run_trainings(
      missing, side_by_side, [&](const TrainingSettings& settings, const Outcome& outcome) {
        const std::string run_id = directory.run_id();
        const TrainingRows rows = outcome.result ? finished_rows(settings, *outcome.result, run_id)
                                                 : skipped_rows(settings, outcome.skipped, run_id);
        if (outcome.result && !model_folder.empty()) {
          write_model(model_folder / model_file_name(settings), settings, *outcome.result->model);
        }
        tables.write(settings, rows);
        for (const CsvRow& row : rows.recall) print_row(row);
      });
  print_summary(directory, requested);
  const int code = tables.any_failed() ? 1 : 0;
  directory.record_end(code);
  std::printf("\n%s\n", directory.path().c_str());
  return code;
}

}  // namespace seqbench
