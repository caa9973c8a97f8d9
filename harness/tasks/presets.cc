#include "harness/tasks/presets.h"

#include <limits>
#include <stdexcept>

#include "core/parts.h"

namespace seqbench {
namespace {

constexpr double kNoClipping = std::numeric_limits<double>::infinity();

/// Zoology's model: pre-norm blocks of one head, readout tied to the embedding.
constexpr ModelSettings mixing_blocks(double learning_rate) {
  return {.form = {.layers = 2,
                   .residual = true,
                   .mlp = MlpKind::kIdentity,
                   .as_gpt2 = true,
                   .dropout = 0.1},
          .learning_rate = learning_rate};
}

/// seq_icl's: pre-norm blocks of one head or a recurrent layer, readout tied to the embedding.
constexpr ModelSettings kLanguageModelBlocks{.form = {.layers = 2,
                                                      .residual = true,
                                                      .mlp_expansion = 4,
                                                      .mlp = MlpKind::kGelu,
                                                      .as_gpt2 = true,
                                                      .dropout = 0.1},
                                             .learning_rate = 5e-4};

/// Steps of so many epochs over so many sequences.
constexpr Index epochs(Index count, Index sequences, Index batch) {
  return count * parts_in(sequences, batch);
}

TaskDefaults zoology(Index length, double learning_rate) {
  constexpr Index kBatch = 512, kSequences = 100000;
  return {.distances = {length},
          .variants = {"learned"},
          .seeds = 3,
          .training_steps = epochs(64, kSequences, kBatch),
          .batch = kBatch,
          .width = 64,
          .models = {{"attention", mixing_blocks(learning_rate)}},
          .weight_decay = 0.1,
          .max_gradient_norm = kNoClipping,
          .training_sequences = kSequences,
          .shuffles = true,
          .decays_by_epoch = true,
          .test_sequences = 3000,
          .solved_accuracy = 0.99,
          .tests_epochs = true};
}

/// All its models, minGRU beside its gated linear recurrence; 400 epochs over 5000 sequences.
TaskDefaults language_model(Index distance, Decay decay, double decay_floor) {
  constexpr Index kBatch = 32, kSequences = 5000;
  return {.distances = {distance},
          .variants = {"default", "learned"},
          .seeds = 3,
          .training_steps = epochs(400, kSequences, kBatch),
          .batch = kBatch,
          .width = 32,
          .models = {{"lstm", kLanguageModelBlocks},
                     {"mingru", kLanguageModelBlocks},
                     {"attention", kLanguageModelBlocks}},
          .warmup_steps = epochs(40, kSequences, kBatch),
          .decay = decay,
          .decay_floor = decay_floor,
          .weight_decay = 0.1,
          .max_gradient_norm = kNoClipping,
          .training_sequences = kSequences,
          .shuffles = true,
          .test_sequences = 500,
          .solved_accuracy = 0.99};
}

TaskDefaults copy_memory(std::vector<Index> blanks, std::map<std::string, ModelSettings> models) {
  constexpr Index kBatch = 32, kSequences = 10000;
  return {.distances = std::move(blanks),
          .variants = {"default"},
          .seeds = 3,
          .training_steps = epochs(50, kSequences, kBatch),
          .batch = kBatch,
          .width = 1,  // each model has its own
          .models = std::move(models),
          .decay = Decay::kConstant,
          .optimiser = OptimiserKind::kRmsProp,
          .training_sequences = kSequences,
          .test_sequences = 1000,
          .solved_accuracy = 0.95};
}

/// Bai et al.'s: a bare layer that reads the input's numbers, wide enough for the published number
/// of parameters.
constexpr ModelSettings bare_layer(Index width, double learning_rate) {
  return {.form = {.width = width, .direct_input = true}, .learning_rate = learning_rate};
}

const std::string kCopyDiffers =
    "the recurrent models' learning rate, which the source searched, is its convolutional one's; "
    "clipping at 1 is ours";

}  // namespace

const std::vector<Preset>& all_presets() {
  static const std::vector<Preset> presets = {
      {.name = "first-token",
       .task = "first_symbol",
       .settings = {.distances = {8, 16, 32},
                    .variants = {"default"},
                    .seeds = 3,
                    .training_steps = 1100,
                    .batch = 64,
                    .width = 64,
                    .models = {{"lstm",
                                {.form = {.layers = 2, .final_norm = true},
                                 .learning_rate = 3e-3}}},
                    .weight_decay = 0.01,
                    .test_sequences = 1024,
                    .solved_accuracy = 0.95},
       .source = "github.com/hurjun/xLSTM, scripts/recall_sweep.py",
       .differs = "the readout has a bias (16 parameters)"},
      {.name = "mqar-64-4",
       .task = "mqar_8k",
       .settings = zoology(64, 2.15e-3),
       .source = "Arora et al. 2023 (Zoology), fig. 2; github.com/HazyResearch/zoology of January "
                 "2024 (66f4918), experiments/paper/figure2.py",
       .differs =
           "the third of its four learning rates alone; a test of 99 % ends it, there above 99 %"},
      {.name = "mqar-128-8",
       .task = "mqar_8k",
       .settings = zoology(128, 1e-2),
       .source = "Arora et al. 2023 (Zoology), fig. 2",
       .differs = "the largest of its four learning rates alone; a test of 99 % ends it, there "
                  "above 99 %"},
      {.name = "associative-recall",
       .task = "associative_recall",
       .settings = language_model(40, Decay::kLinear, 0),
       .source = "github.com/berlino/seq_icl, README and configs of August 2023 (dfd6091)",
       .differs = "the warm-up's first step, which has a rate of 0 there; minGRU stands beside the "
                  "source's gated linear recurrence (GILR), which has an output gate and a norm"},
      {.name = "induction",
       .task = "induction",
       .settings = language_model(30, Decay::kCosine, 0.1),
       .source = "github.com/berlino/seq_icl, README and configs of August 2023 (dfd6091)",
       .differs = "the cosine begins behind the warm-up, there with it; minGRU stands beside the "
                  "source's gated linear recurrence (GILR), which has an output gate and a norm"},
      {.name = "adding-transfer",
       .task = "adding",
       .settings = {.distances = {100},
                    .variants = {"default"},
                    .seeds = 3,
                    .training_steps = 10000,
                    .batch = 64,
                    .width = 64,
                    .models = {{"lstm", {.learning_rate = 3e-3}}, {"gru", {.learning_rate = 3e-3}}},
                    .test_sequences = 1000,
                    .test_distances = {200, 400},
                    .solved_accuracy = 0.95},
       .source = "a table of RMSE at T = 100, 200, 400 after training at 100, of unknown source",
       .differs = "width, steps and optimiser, which the table does not tell, are ours"},
      {.name = "copy-10k",
       .task = "copy_all",
       .settings = copy_memory({20, 50, 100, 200},
                               {{"lstm", bare_layer(47, 5e-4)}, {"gru", bare_layer(55, 5e-4)}}),
       .source = "Bai et al. 2018, fig. 5 (10 K parameters)",
       .differs = kCopyDiffers},
      {.name = "copy-1000",
       .task = "copy_all",
       .settings = copy_memory({1000}, {{"lstm", bare_layer(61, 5e-4)}}),
       .source = "Bai et al. 2018, table 1 (16 K parameters); github.com/locuslab/TCN, copy_memory",
       .differs = kCopyDiffers},
      {.name = "adding-600",
       .task = "adding",
       .settings = {.distances = {600},
                    .variants = {"default"},
                    .seeds = 1,
                    .training_steps = epochs(10, 50000, 32),
                    .batch = 32,
                    .width = 1,  // each model has its own
                    .models = {{"elman", bare_layer(262, 1e-3)},
                               {"lstm", bare_layer(130, 1e-3)},
                               {"gru", bare_layer(150, 1e-3)}},
                    .decay = Decay::kConstant,
                    .training_sequences = 50000,
                    .test_sequences = 1000,
                    .solved_accuracy = 0.95},
       .source = "Bai et al. 2018, table 1 (70 K parameters); github.com/locuslab/TCN, "
                 "adding_problem",
       .differs = "learning rate and clipping at 1, which the source tuned, are ours"},
  };
  return presets;
}

const Preset& preset_by_name(std::string_view name) {
  for (const Preset& preset : all_presets()) {
    if (preset.name == name) return preset;
  }
  throw std::invalid_argument("there is no preset '" + std::string(name) + "'");
}

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const Preset& preset : all_presets()) names.push_back(preset.name);
  return names;
}

}  // namespace seqbench
