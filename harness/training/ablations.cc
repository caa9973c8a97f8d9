#include "harness/training/ablations.h"

#include <algorithm>
#include <cstdio>
#include <string>

#include "harness/files/run_directory.h"
#include "harness/models/sequence_model_spec.h"
#include "harness/training/training_table.h"

namespace seqbench {
namespace {

const std::vector<std::string> kAblationColumns = {
    "run_id",   "task",          "setup",          "model",  "variant", "ablation",
    "distance", "seed",          "accuracy",       "chance", "loss",    "outcome",
    "heads",    "learning_rate", "schedule_steps", "status", "reason"};
const std::vector<std::string> kAblationIdentity = {"task",     "setup",    "model", "variant",
                                                    "ablation", "distance", "seed"};

CsvRow known_row(const TrainingSettings& settings) {
  CsvRow row = given_cells(settings);
  row["ablation"] = name_of(settings.variant.ablation);
  row["distance"] = settings.distance;
  row["heads"] = settings.variant.ablation == Ablation::kOneHead ? 1 : settings.form.heads;
  return row;
}

}  // namespace

const char* name_of(Ablation ablation) {
  return std::ranges::find(kAblationNames, ablation, &AblationName::ablation)->name;
}

std::vector<TrainingSettings> with_each_ablation(const std::vector<TrainingSettings>& trainings) {
  std::vector<TrainingSettings> all;
  for (const TrainingSettings& whole : trainings) {
    for (const AblationName& each : kAblationNames) {
      all.push_back(whole);
      all.back().variant.ablation = each.ablation;
    }
  }
  return all;
}

int ablate(const CommandLine& line, const std::vector<TrainingSettings>& requested,
           const SideBySideOptions& options) {
  RunDirectory directory(line, {kAblationFile});
  const TrainingTable table{.file = kAblationFile,
                            .columns = kAblationColumns,
                            .identity = kAblationIdentity,
                            .known = known_row};
  const auto missing = missing_from(table, directory, with_each_ablation(requested));
  directory.record_command("recall", line);
  const int code = run_into(table, directory, missing, options);
  directory.record_end(code);
  std::printf("\n%s\n", directory.path().c_str());
  return code;
}

}  // namespace seqbench
