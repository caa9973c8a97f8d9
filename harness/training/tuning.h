// Which learning rate suits a model on a task (`recall --tune`): what it finds is frozen in the
// settings table of tasks.cc.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <vector>

#include "harness/base/command_line.h"
#include "harness/training/training_run.h"
#include "harness/training/training_settings.h"

namespace seqbench {

constexpr const char* kTuningFile = "tuning.csv";
/// Every rate that may be tried, two a decade.
inline constexpr std::array<double, 13> kTuningGrid = {1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3,
                                                       3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1};
/// Those tried first, by their places in the grid: 3e-4 to 1e-2.
inline constexpr std::size_t kFirstRate = 5, kLastRate = 8;
/// The first of the seeds of data and parameters that no reported training sees, and how many.
constexpr Index kTuningSeed = 1000, kTuningSeeds = 3;

/// What is tuned for the trainings asked for: each kind once, in the variant that is asked for, at
/// the middle of its distances.
std::vector<TrainingSettings> tuning_kinds(const std::vector<TrainingSettings>& requested);

/// How one training of a trial went.
struct TuningTrial {
  bool failed = false;
  std::optional<Index> steps_to_solve = {};
  double loss = 0;  // of the test
};
/// How well a learning rate did over its seeds.
struct TuningScore {
  Index solved = 0;  // seeds
  double steps = 0;  // to solve, median; infinite where half of the seeds or more did not
  double loss = 0;   // median; infinite of a training that failed
};
TuningScore score_of(const std::vector<TuningTrial>& seeds);
/// More seeds solved are better, then fewer steps, then a lower loss.
bool is_better(const TuningScore& a, const TuningScore& b);

/// By learning rate.
using TuningScores = std::map<double, TuningScore>;
/// The best of them; the lowest rate of equal ones. Not for none.
double best_rate(const TuningScores& tried);
/// What a table says behind a rate: nothing, that it is the best one, or the best at the grid's
/// end.
const char* best_mark(double rate, double best);
/// What to try next: the first rates as long as one of them is missing; then the next one beyond
/// the best while that is the lowest or the highest tried, to the grid's ends; then none.
std::vector<double> rates_to_try(const TuningScores& tried);

/// Runs the trials, writes tuning.csv to --out, prints it and the best rate of each kind. Returns
/// the exit code. Throws as the command does.
int tune(const CommandLine& line, const std::vector<TrainingSettings>& requested,
         const SideBySideOptions& options);

}  // namespace seqbench
