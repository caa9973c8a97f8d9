#include "harness/text/text_tables.h"

#include <algorithm>

#include "harness/base/utf8.h"
#include "harness/timing/case.h"

namespace seqbench {

const std::vector<std::string> kTextColumns = {"run_id",     "preset",        "model",
                                               "variant",    "match",         "seed",
                                               "width",      "layers",        "length",
                                               "batch",      "parameters",    "threads",
                                               "dtype",      "step",          "tokens",
                                               "seconds",    "learning_rate", "train_loss",
                                               "valid_loss", "bits_per_byte", "tokens_per_second",
                                               "stateful"};

const std::vector<std::string> kContextColumns = {"run_id", "model",    "variant", "seed",
                                                  "length", "position", "loss",    "dtype"};

const std::vector<std::string> kTextSamplesColumns = {"run_id", "model",       "variant", "seed",
                                                      "prompt", "temperature", "text",    "dtype"};

namespace {

/// Whether a row of any table is of that training: a command has one of each model, variant,
/// seed and number format.
bool is_of(const CsvTable::value_type& row, const TextSettings& settings) {
  return row.at("model") == settings.model && row.at("variant") == settings.variant.name &&
         row.at("seed") == std::to_string(settings.seed) &&
         row.at("dtype") == dtype_name(settings.factors);
}

CsvRow identity_row(const TextSettings& settings, const std::string& run_id) {
  return {{"run_id", run_id},
          {"model", settings.model},
          {"variant", settings.variant.name},
          {"seed", settings.seed},
          {"dtype", dtype_name(settings.factors)}};
}

}  // namespace

TextTables::TextTables(const RunDirectory& directory, int threads)
    : training_(directory.file(kTextFile), kTextColumns),
      context_(directory.file(kContextFile), kContextColumns),
      samples_(directory.file(kTextSamplesFile), kTextSamplesColumns),
      run_id_(directory.run_id()),
      threads_(threads) {}

bool TextTables::holds_finished(const TextSettings& settings) const {
  const std::string last = std::to_string(settings.length);
  return std::ranges::any_of(context_.rows(), [&](const auto& row) {
    return is_of(row, settings) && row.at("length") == last && row.at("position") == last;
  });
}

void TextTables::cut_behind(const TextSettings& settings, Index step) {
  training_.drop(
      [&](const auto& row) { return is_of(row, settings) && std::stoll(row.at("step")) > step; });
  for (ResumedTable* table : {&context_, &samples_}) {
    table->drop([&](const auto& row) { return is_of(row, settings); });
  }
}

void TextTables::write(const TextSettings& settings, Index parameters, const TextPoint& point) {
  CsvRow row = identity_row(settings, run_id_);
  row["preset"] = settings.preset;
  row["match"] = settings.match;
  row["width"] = settings.form.width;
  row["layers"] = settings.form.layers;
  row["length"] = settings.length;
  row["batch"] = settings.batch;
  row["parameters"] = parameters;
  row["threads"] = threads_;
  row["step"] = point.step;
  row["tokens"] = point.tokens;
  row["seconds"] = point.seconds;
  row["learning_rate"] = point.learning_rate;
  row["train_loss"] = point.train_loss;
  if (point.valid_loss) row["valid_loss"] = *point.valid_loss;
  if (point.bits_per_byte) row["bits_per_byte"] = *point.bits_per_byte;
  row["tokens_per_second"] = point.tokens_per_second;
  row["stateful"] = settings.stateful;
  training_.append({row});
}

void TextTables::write(const TextSettings& settings, const TextSample& sample) {
  CsvRow row = identity_row(settings, run_id_);
  row["prompt"] = readable(sample.prompt);
  row["temperature"] = TextSample::kTemperature;
  row["text"] = readable(sample.text);
  samples_.append({row});
}

void TextTables::write(const TextSettings& settings, const std::vector<ContextLoss>& losses) {
  std::vector<CsvRow> rows;
  for (auto place = losses.rbegin(); place != losses.rend(); ++place) {
    const ContextLoss& context = *place;
    for (std::size_t position = 0; position < context.by_position.size(); ++position) {
      CsvRow row = identity_row(settings, run_id_);
      row["length"] = context.length;
      row["position"] = Index(position) + 1;
      row["loss"] = context.by_position[position];
      rows.push_back(row);
    }
  }
  context_.append(rows);
}

}  // namespace seqbench
