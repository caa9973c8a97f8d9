#include "harness/server/step_server.h"

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "harness/base/command_line.h"
#include "harness/base/errors.h"
#include "harness/files/safetensors.h"
#include "harness/machine/memory.h"
#include "harness/machine/placement.h"
#include "harness/models/registry.h"
#include "harness/server/protocol.h"
#include "harness/server/training_steps.h"
#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"
#include "harness/tasks/tasks.h"
#include "harness/training/model_file.h"
#include "harness/training/training.h"
#include "harness/training/training_cost.h"
#include "harness/training/training_settings.h"

namespace seqbench {

using Json = nlohmann::ordered_json;

RunningTraining::RunningTraining(const TrainingSettings& settings)
    : batch(first_batch(settings)), model(model_spec(settings)), step(settings, model) {
  initialise(settings, model);
  reserve_for_steps(settings, model);
}

namespace {

// Steps whose losses another library has to meet: the first checks forward, the others backward and
// the optimiser.
constexpr Index kCheckedSteps = 3;

template <typename Number>
Tensor<float> as_tensor(const std::vector<Number>& numbers, std::vector<Index> shape) {
  Tensor<float> tensor(std::move(shape));
  std::ranges::transform(numbers, tensor.data(), [](Number n) { return static_cast<float>(n); });
  return tensor;
}

std::map<std::string, std::string> metadata_of(const TrainingSettings& settings) {
  const TaskDefaults& defaults = settings.defaults();
  const auto text = [](double number) { return Json(number).dump(); };
  std::map<std::string, std::string> metadata = form_metadata(settings.form);
  metadata.merge(
      std::map<std::string, std::string>{{"task", settings.task->name},
                                         {"model", settings.model},
                                         {"variant", settings.variant.name},
                                         {"learning_rate", text(settings.learning_rate)},
                                         {"weight_decay", text(settings.used_weight_decay())},
                                         {"max_gradient_norm", text(defaults.max_gradient_norm)}});
  return metadata;
}

/// Takes the first steps; the parameters in the file are those before them.
void write_training(const std::filesystem::path& path, const TrainingSettings& settings,
                    RunningTraining& training) {
  const TaskBatch& batch = training.batch;
  const std::vector<Tensor<float>> start = copied_parameters(training.model);
  std::vector<double> losses;
  for (Index step = 0; step < kCheckedSteps; ++step) {
    losses.push_back(training.step.run(training.team, batch, settings.learning_rate));
  }
  const Tensor<float> tokens = as_tensor(batch.tokens, {batch.shape.batch, batch.shape.steps});
  const Tensor<float> answer_rows = as_tensor(batch.answer_rows, {batch.answers()});
  const Tensor<float> targets = as_tensor(batch.targets, {batch.answers()});
  const Tensor<float> first_losses = as_tensor(losses, {kCheckedSteps});
  write_training_file(path, metadata_of(settings),
                      {{"tokens", &tokens},
                       {"answer_rows", &answer_rows},
                       {"targets", &targets},
                       {"losses", &first_losses}},
                      training.model, start);
}

/// The training of a model as the task has it, in the first of the task's variants for it.
TrainingSettings settings_of(const Task& task, const std::string& model, Index distance,
                             const CommandLine& line) {
  const TaskDefaults& defaults = task.defaults;
  TrainingSettings settings = default_training(task, nullptr, model);
  settings.distance = distance;
  settings.batch = line.given("batch") ? line.integer("batch") : defaults.batch;
  if (line.given("width")) settings.form.width = line.integer("width");
  const Index heads = settings.form.heads;
  if (model_info(model).has_heads() && settings.form.width % heads != 0) {
    refuse_option("width", line.text("width"), "a multiple of its heads, " + std::to_string(heads));
  }
  for (const std::string& name : defaults.variants) {
    const auto variant = find_variant(model, name);
    if (!variant) continue;
    settings.variant = *variant;
    break;
  }
  return settings;
}

StepDescription description_of(const TrainingSettings& settings) {
  return {.task = settings.task->name,
          .model = settings.model,
          .variant = settings.variant.name,
          .batch = settings.batch,
          .length = settings.seq_len(),
          .form = settings.form,
          .threads = 1};
}

}  // namespace

std::string StepCase::id() const { return description_of(settings).id(); }

Json StepServer::prepare_case(const StepCase& one, const Json& request) {
  const std::string file = training_file_of(request);
  ready_.erase(one.id());
  const double needed = training_cost(one.settings).bytes;
  Json cells = description_of(one.settings).cells();
  if (needed > options_.memory_limit_bytes) {
    return skipped_steps(one.id(), needed, options_.memory_limit_bytes, cells);
  }
  const MemoryGrowth growth;
  auto training = std::make_unique<RunningTraining>(one.settings);
  write_training(file, one.settings, *training);
  cells["parameters"] = std::to_string(training->model.parameter_count());
  const Json reply = {{"case", one.id()},
                      {"status", "ready"},
                      {"peak_bytes", or_null(growth.peak_bytes())},
                      {"cells", cells}};
  ready_[one.id()] = std::move(training);
  return reply;
}

Json StepServer::repeat(const StepCase& one, std::unique_ptr<RunningTraining>& training,
                        Index passes) {
  // The probes run where the layers' do; the training's own team leaves the thread there.
  return repeat_passes(
      make_team(1), {.least_seconds = options_.min_seconds, .passes = passes},
      [&] { training->step.run(training->team, training->batch, one.settings.learning_rate); });
}

Json StepServer::judge(const StepCase&, const JudgeRequest& request) {
  return judged_steps(request, /*threads=*/1);
}

void add_step_options(CommandLine& line) {
  line.option("task", "",
              "steps of trainings of this task instead of layers, one thread each; --length is its "
              "distance, --batch and --width are by default the task's (" +
                  join(task_names()) + ")");
}

std::vector<StepCase> parse_step_cases(const CommandLine& line) {
  line.refuse_given({"kernel", "pass", "heads", "threads", "max-tokens"}, "nothing beside --task");
  if (line.flag_given("causal")) refuse_option("causal", "true", "nothing beside --task");
  std::vector<StepCase> cases;
  for (const std::string& name : line.names("task", task_names())) {
    const Task& task = task_by_name(name);
    for (const Index distance : line.integers("length", 0)) {
      if (distance < task.min_distance(0)) {
        refuse_option("length", std::to_string(distance),
                      "at least " + std::to_string(task.min_distance(0)) + " for task " + name);
      }
      for (const std::string& model : line.names("model", model_names())) {
        cases.push_back({settings_of(task, model, distance, line)});
      }
    }
  }
  return cases;
}

}  // namespace seqbench
