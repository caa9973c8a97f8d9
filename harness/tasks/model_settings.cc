#include "harness/tasks/model_settings.h"

namespace seqbench {
namespace {

enum class Stands { kBare, kInBlocks };

struct ModelRow {
  Stands stands = Stands::kBare;
  std::map<std::string, double> rates;  // peaks, by task
};

/// A row a model. The rates are what `recall --tune` found, but for the attention of encoders,
/// chosen by its maps: the best of 3e-4, 1e-3, 3e-3, 1e-2 for a model's first variant at the middle
/// distance, with a seed that no reported training has. Where that does no better than guessing at
/// any rate, the next one decided: of first_token's and copy's LSTM chrono, of mqar's attention the
/// one with the convolution; so it did of mqar's minGRU, whose plain form was not tried.
const std::map<std::string, ModelRow>& rows() {
  static const std::map<std::string, ModelRow> table = {
      {"elman",
       {.stands = Stands::kBare,
        .rates = {{"first_token", 1e-2},
                  {"adding", 1e-3},
                  {"copy", 1e-2},
                  {"selective_copy", 3e-3},
                  {"parity", 1e-2},
                  {"mqar", 1e-2},
                  {"coreference", 1e-2},
                  {"coreference encoder", 1e-2},
                  {"hidden_verb", 1e-2},
                  {"word_problem", 3e-3}}}},
      {"lstm",
       {.stands = Stands::kBare,
        .rates = {{"first_token", 1e-2},
                  {"adding", 1e-2},
                  {"copy", 3e-3},
                  {"selective_copy", 3e-3},
                  {"parity", 3e-3},
                  {"mqar", 3e-3},
                  {"coreference", 3e-3},
                  {"coreference encoder", 1e-2},
                  {"hidden_verb", 1e-2},
                  {"word_problem", 3e-3}}}},
      {"gru",
       {.stands = Stands::kBare,
        .rates = {{"first_token", 1e-2},
                  {"adding", 1e-2},
                  {"copy", 1e-2},
                  {"selective_copy", 3e-3},
                  {"parity", 1e-2},
                  {"mqar", 1e-2},
                  {"coreference", 1e-2},
                  {"coreference encoder", 1e-2},
                  {"hidden_verb", 1e-2},
                  {"word_problem", 3e-3}}}},
      {"mingru",
       {.stands = Stands::kBare,
        .rates = {{"first_token", 1e-2},
                  {"adding", 1e-2},
                  {"copy", 1e-2},
                  {"selective_copy", 3e-3},
                  {"parity", 1e-2},
                  {"mqar", 1e-2},
                  {"coreference", 3e-3},
                  {"coreference encoder", 1e-2},
                  {"hidden_verb", 1e-2},
                  {"word_problem", 3e-3}}}},
      {"attention",
       {.stands = Stands::kInBlocks,
        .rates = {{"first_token", 1e-2},
                  {"adding", 1e-3},
                  {"copy", 1e-2},
                  {"selective_copy", 3e-3},
                  {"parity", 1e-3},
                  {"mqar", 3e-3},
                  {"coreference", 3e-3},
                  {"coreference encoder", 2e-3},
                  {"hidden_verb", 3e-3},
                  {"word_problem", 1e-3}}}},
  };
  return table;
}

}  // namespace

std::map<std::string, ModelSettings> settings_of_models(const std::string& task,
                                                        const TaskForms& forms) {
  std::map<std::string, ModelSettings> settings;
  for (const auto& [model, row] : rows()) {
    const double rate = row.rates.at(task);
    settings[model] = row.stands == Stands::kBare
                          ? ModelSettings{.form = forms.layers, .learning_rate = rate}
                          : ModelSettings{.form = forms.blocks,
                                          .learning_rate = rate,
                                          .weight_decay = forms.weight_decay_of_blocks};
  }
  return settings;
}

}  // namespace seqbench
