#include "harness/training/training_run.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <mutex>

#include "harness/base/progress.h"
#include "harness/base/units.h"
#include "harness/training/recall_tables.h"
#include "harness/training/side_by_side.h"
#include "harness/training/training_cost.h"
#include "harness/training/training_settings.h"

namespace seqbench {
namespace {

/// The training, its step and how well it does.
std::string state(const TrainingSettings& settings, const TrainingResult& so_far) {
  std::string text = label(settings) + ", step " + std::to_string(so_far.steps_taken) + " of " +
                     std::to_string(settings.training_steps);
  if (!so_far.learning.empty()) {
    char score[64];
    std::snprintf(score, sizeof(score), ": accuracy %.3f, loss %.3g",
                  so_far.learning.back().accuracy, so_far.learning.back().loss);
    text += score;
  }
  return text;
}

/// Its members are shared by the workers.
class TrainingRun {
 public:
  TrainingRun(const SideBySideOptions& options, double total_flops, const TakeOutcome& take)
      : options_(options), take_(take), progress_(total_flops, options.shows_progress) {}

  void run(const std::vector<TrainingSettings>& trainings, Index workers) {
    jobs_.run(static_cast<Index>(trainings.size()), workers, [&](Index k) {
      run_one(trainings[static_cast<std::size_t>(k)], options_.memory_bytes / double(workers));
    });
  }

 private:
  void run_one(const TrainingSettings& settings, double memory_bytes) {
    const TrainingCost cost = training_cost(settings);
    if (cost.bytes > memory_bytes) {
      const std::string reason = "needs " + human_bytes(cost.bytes) + " of " +
                                 human_bytes(memory_bytes) +
                                 " that each of the trainings side by side may use; fewer "
                                 "--threads, or a smaller --batch or --width, may help";
      return take(settings, {.result = std::nullopt, .skipped = reason});
    }
    double credited = 0;  // of this training's FLOPs
    const auto credit = [&](double flops) {
      done_flops_ += flops - credited;
      credited = flops;
    };
    auto result = train(settings, [&](const TrainingResult& so_far) {
      credit(cost.flops * double(so_far.steps_taken) / double(settings.training_steps));
      show_progress(settings, so_far);
      return !jobs_.stopped();
    });
    if (!result) return;
    credit(cost.flops);
    take(settings, {.result = std::move(result), .skipped = ""});
  }

  void show_progress(const TrainingSettings& settings, const TrainingResult& so_far) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock() || !progress_.is_due()) return;
    progress_.update(done_flops_, state(settings, so_far));
  }

  void take(const TrainingSettings& settings, const Outcome& outcome) {
    const std::lock_guard lock(mutex_);
    progress_.clear();
    take_(settings, outcome);
  }

  const SideBySideOptions& options_;
  SideBySide jobs_;
  std::mutex mutex_;  // guards what follows, up to the atomic
  const TakeOutcome& take_;
  Progress progress_;
  std::atomic<double> done_flops_ = 0;
};

}  // namespace

void run_trainings(std::vector<TrainingSettings> trainings, const SideBySideOptions& options,
                   const TakeOutcome& take) {
  std::ranges::stable_sort(trainings, std::greater<>(), [](const TrainingSettings& settings) {
    return training_cost(settings).flops;
  });
  double total_flops = 0;
  for (const TrainingSettings& settings : trainings) total_flops += training_cost(settings).flops;
  const Index workers = std::clamp<Index>(static_cast<Index>(trainings.size()), 1, options.threads);
  TrainingRun(options, total_flops, take).run(trainings, workers);
}

}  // namespace seqbench
