#include "harness/server/text_step_server.h"

#include <algorithm>
#include <filesystem>

#include "harness/base/command_line.h"
#include "harness/files/safetensors.h"
#include "harness/machine/memory.h"
#include "harness/machine/placement.h"
#include "harness/models/registry.h"
#include "harness/server/training_steps.h"
#include "harness/training/model_file.h"

namespace seqbench {

using Json = nlohmann::ordered_json;

RunningTextTraining::RunningTextTraining(const TextStepCase& one, const Corpus& corpus)
    : team(make_team(int(one.threads))), training(one.settings, corpus, team) {}

namespace {

// Over so many another library has to meet the losses: through the warm-up of the setting.
constexpr Index kCheckedSteps = 100;

constexpr const char* kPreset = "nanogpt-shakespeare";

std::map<std::string, std::string> metadata_of(const TextSettings& settings) {
  const auto text = [](double number) { return Json(number).dump(); };
  std::map<std::string, std::string> metadata = form_metadata(settings.form);
  metadata.merge(
      std::map<std::string, std::string>{{"task", settings.preset},
                                         {"model", settings.model},
                                         {"variant", settings.variant.name},
                                         {"beta2", text(settings.optimiser.beta2)},
                                         {"weight_decay", text(settings.optimiser.weight_decay)},
                                         {"max_gradient_norm", text(settings.max_gradient_norm)}});
  return metadata;
}

/// Takes the first steps; the parameters in the file are those before them.
void write_training(const std::filesystem::path& path, const TextSettings& settings,
                    TextTraining& training) {
  const SequenceShape shape{settings.batch, settings.length};
  const std::vector<Tensor<float>> start = copied_parameters(training.model());
  Tensor<float> tokens({kCheckedSteps, shape.batch, shape.steps});
  Tensor<float> targets({kCheckedSteps, shape.batch, shape.steps});
  Tensor<float> rates({kCheckedSteps}), losses({kCheckedSteps});
  for (Index step = 0; step < kCheckedSteps; ++step) {
    losses[step] = float(training.step());
    rates[step] = float(training.last_learning_rate());
    const Index at = step * shape.batch * shape.steps;
    const auto as_float = [](Token token) { return float(token); };
    std::ranges::transform(training.batch().tokens, tokens.data() + at, as_float);
    std::ranges::transform(training.batch().targets, targets.data() + at, as_float);
  }
  write_training_file(
      path, metadata_of(settings),
      {{"tokens", &tokens}, {"targets", &targets}, {"learning_rates", &rates}, {"losses", &losses}},
      training.model(), start);
}

StepDescription description_of(const TextStepCase& one) {
  const TextSettings& settings = one.settings;
  return {.task = settings.preset,
          .model = settings.model,
          .variant = settings.variant.name,
          .batch = settings.batch,
          .length = settings.length,
          .form = settings.form,
          .threads = one.threads};
}

}  // namespace

std::string TextStepCase::id() const { return description_of(*this).id(); }

Json TextStepServer::prepare_case(const TextStepCase& one, const Json& request) {
  const std::string file = training_file_of(request);
  ready_.erase(one.id());
  const double needed = text_training_bytes(one.settings, one.threads);
  Json cells = description_of(one).cells();
  cells["parameters"] = std::to_string(parameter_count(one.settings));
  if (needed > options_.memory_limit_bytes) {
    return skipped_steps(one.id(), needed, options_.memory_limit_bytes, cells);
  }
  const MemoryGrowth growth;
  auto running = std::make_unique<RunningTextTraining>(one, corpus_);
  write_training(file, one.settings, running->training);
  const Json reply = {{"case", one.id()},
                      {"status", "ready"},
                      {"peak_bytes", or_null(growth.peak_bytes())},
                      {"cells", cells}};
  ready_[one.id()] = std::move(running);
  return reply;
}

Json TextStepServer::repeat(const TextStepCase&, std::unique_ptr<RunningTextTraining>& running,
                            Index passes) {
  return repeat_passes(running->team, {.least_seconds = options_.min_seconds, .passes = passes},
                       [&] { running->training.repeat_last_step(); });
}

Json TextStepServer::judge(const TextStepCase& one, const JudgeRequest& request) {
  return judged_steps(request, one.threads);
}

void add_text_step_options(CommandLine& line) {
  line.option("text", "",
              join({"steps of trainings on this text in the setting of the preset", kPreset,
                    "instead of layers; --model and --threads may narrow it"},
                   " "));
}

std::vector<TextStepCase> parse_text_step_cases(const CommandLine& line, const Corpus& corpus) {
  line.refuse_given({"task", "kernel", "pass", "batch", "length", "width", "heads", "max-tokens"},
                    "nothing beside --text");
  if (line.flag_given("causal")) refuse_option("causal", "true", "nothing beside --text");
  const TextPreset& preset = text_preset(kPreset);
  const auto threads =
      line.given("threads") ? line.integers("threads", 1, kMostThreads) : default_thread_counts();
  std::vector<TextStepCase> cases;
  for (const std::string& model : line.names("model", model_names())) {
    TextSettings settings = preset.settings;
    settings.model = model;
    settings.variant =
        *find_variant(model, model_info(model).has_heads() ? preset.attention_variant
                                                           : model_info(model).variants.front());
    settings.vocabulary = corpus.vocabulary().size();
    for (const Index count : threads) cases.push_back({settings, count});
  }
  corpus.require_windows(preset.settings.length);
  return cases;
}

}  // namespace seqbench
