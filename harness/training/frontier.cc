#include "harness/training/frontier.h"

#include <algorithm>
#include <cstdio>
#include <future>
#include <map>
#include <string>
#include <utility>

#include "harness/base/progress.h"
#include "harness/base/statistics.h"
#include "harness/files/run_directory.h"
#include "harness/models/sequence_model_spec.h"
#include "harness/tasks/task.h"
#include "harness/timing/measurement.h"
#include "harness/training/training_table.h"

namespace seqbench {
namespace {

const std::vector<std::string> kFrontierColumns = {
    "run_id",   "task",    "model",   "variant",    "width",         "layers",
    "pairs",    "seq_len", "seed",    "parameters", "state_bytes",   "decode_tokens_per_second",
    "accuracy", "chance",  "outcome", "loss",       "learning_rate", "schedule_steps",
    "status",   "reason"};
const std::vector<std::string> kFrontierIdentity = {"task",   "model", "variant", "width",
                                                    "layers", "pairs", "seq_len", "seed"};

/// Seconds of each case by its id, median over the repetitions; nothing of one that failed.
using Seconds = std::map<std::string, double>;

/// One group for each width and length: a reference serves all cases of a model in a group.
Seconds decode_seconds(const std::vector<TrainingSettings>& trainings,
                       const SideBySideOptions& options) {
  std::map<std::pair<Index, Index>, CaseGroup> groups;
  std::map<std::string, bool> is_there;
  for (const TrainingSettings& settings : trainings) {
    const Case one = decode_case(settings);
    if (std::exchange(is_there[one.id()], true)) continue;
    CaseGroup& group = groups[{one.layer.width, one.shape.steps}];
    group.label = "decode D=" + std::to_string(one.layer.width);
    group.cases.push_back(one);
  }
  Progress progress(double(is_there.size()), options.shows_progress);
  Seconds seconds;
  double done = 0;
  for (const auto& [size, group] : groups) {
    const MeasureHooks hooks{
        .on_step = [&](const std::string& what) { progress.update(done, "timing " + what); }};
    const MeasureOptions measure{.memory_limit_bytes = options.memory_bytes};
    for (const Measurement& measurement : measure_group(group, measure, hooks)) {
      std::vector<double> passes;
      for (const Sample& sample : measurement.samples) passes.push_back(sample.seconds);
      const std::string id = measurement.the_case.id();
      if (!passes.empty() && measurement.status.empty()) {
        seconds[id] = median(passes);
      } else {
        progress.clear();
        std::printf("%s has no decode_tokens_per_second: %s\n", id.c_str(),
                    measurement.reason.c_str());
      }
    }
    done += double(group.cases.size());
  }
  progress.clear();
  return seconds;
}

CsvRow known_row(const TrainingSettings& settings, const Seconds& seconds) {
  CsvRow row = given_cells(settings);
  const Task& task = *settings.task;
  if (task.pairs != nullptr) row["pairs"] = task.pairs(settings.task_setting());
  row["seq_len"] = settings.seq_len();
  row["state_bytes"] = carried_bytes(settings);
  const auto found = seconds.find(decode_case(settings).id());
  if (found != seconds.end()) {
    row["decode_tokens_per_second"] = 1 / (double(settings.form.layers) * found->second);
  }
  return row;
}

}  // namespace

Case decode_case(const TrainingSettings& settings) {
  const BlockSpec block = block_spec(model_spec(settings), 0, nullptr);
  return {.layer = block.layer,
          .pass = Pass::kDecode,
          .shape = {.batch = 1, .steps = std::max<Index>(1, settings.seq_len() - 1)},
          .threads = 1};
}

double carried_bytes(const TrainingSettings& settings) {
  return carried_bytes(model_spec(settings), decode_case(settings).shape.steps);
}

int frontier(const CommandLine& line, const std::vector<TrainingSettings>& requested,
             const SideBySideOptions& options) {
  RunDirectory directory(line, {kFrontierFile});
  Seconds seconds;
  const TrainingTable table{
      .file = kFrontierFile,
      .columns = kFrontierColumns,
      .identity = kFrontierIdentity,
      .known = [&](const TrainingSettings& settings) { return known_row(settings, seconds); }};
  const std::vector<TrainingSettings> missing = missing_from(table, directory, requested);
  directory.record_command("recall", line);
  // On a thread of its own, which timing pins to a CPU: the trainings' threads run where the one
  // that makes them may.
  const auto time = [&] { return decode_seconds(missing, options); };
  seconds = std::async(std::launch::async, time).get();
  const int code = run_into(table, directory, missing, options);
  directory.record_end(code);
  std::printf("\n%s\n", directory.path().c_str());
  return code;
}

}  // namespace seqbench
