// Which learning rate suits a model on a text (`train --tune`): trainings at the rates of
// training/tuning.h, with seeds that no reported training has, judged by their last validation.
#pragma once

#include <map>
#include <vector>

#include "core/thread_team.h"
#include "harness/files/csv.h"
#include "harness/files/run_directory.h"
#include "harness/text/corpus.h"
#include "harness/text/text_settings.h"
#include "harness/training/tuning.h"

namespace seqbench {

constexpr const char* kTextTuningFile = "text-tuning.csv";

/// The loss of each seed by learning rate; infinite where it did not stay finite.
using SeedLosses = std::map<double, std::map<Index, double>>;

/// The rates that all of these seeds have, by their median loss.
TuningScores scores_of(const SeedLosses& losses, const std::vector<Index>& seeds);

/// The trial that a training is at this rate, a tenth of which is the last one.
TextSettings text_trial(const TextSettings& training, double learning_rate);

/// Runs the trials that text-tuning.csv does not have yet, one after the other, and prints the best
/// rate of each model and variant. The seeds of `trainings` are those of the trials. Returns 0, or
/// 1 when the loss of no trial stayed finite. Throws FileError, Interrupted.
int tune_on_text(const std::vector<TextSettings>& trainings, const Corpus& corpus,
                 const ThreadTeam& team, const RunDirectory& directory);

}  // namespace seqbench
