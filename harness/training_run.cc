#include "harness/training_run.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>

#include "harness/interrupt.h"
#include "harness/machine.h"
#include "harness/progress.h"
#include "harness/recall_tables.h"

namespace seqbench {
namespace {

/// Its members are shared by the workers.
class TrainingRun {
 public:
  TrainingRun(const RunLimits& limits, double total_flops, const TakeOutcome& take)
      : limits_(limits), take_(take), progress_(total_flops, limits.shows_progress) {}

  void run(const std::vector<TrainingSettings>& trainings, int workers) {
    make_team(workers).for_each_task(static_cast<Index>(trainings.size()), [&](Index k, int) {
      if (stopped()) return;
      try {
        run_one(trainings[static_cast<std::size_t>(k)], limits_.memory_bytes / workers);
      } catch (...) {  // no exception may leave a parallel region
        const std::lock_guard lock(mutex_);
        if (!error_) error_ = std::current_exception();
        has_error_ = true;
      }
    });
    progress_.clear();
    if (error_) std::rethrow_exception(error_);
    stop_if_interrupted();
  }

 private:
  bool stopped() const { return pending_signal() != 0 || has_error_; }

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
    auto result = train(settings, [&](Index steps_done) {
      credit(cost.flops * double(steps_done) / double(settings.steps));
      show_progress(settings);
      return !stopped();
    });
    if (!result) return;
    credit(cost.flops);
    take(settings, {.result = std::move(result), .skipped = ""});
  }

  void show_progress(const TrainingSettings& settings) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (lock.owns_lock()) progress_.update(done_flops_, label(settings));
  }

  void take(const TrainingSettings& settings, const Outcome& outcome) {
    const std::lock_guard lock(mutex_);
    progress_.clear();
    take_(settings, outcome);
  }

  const RunLimits& limits_;
  std::mutex mutex_;  // guards what follows, up to the atomics
  const TakeOutcome& take_;
  Progress progress_;
  std::exception_ptr error_;
  std::atomic<bool> has_error_ = false;
  std::atomic<double> done_flops_ = 0;
};

}  // namespace

void run_trainings(std::vector<TrainingSettings> trainings, const RunLimits& limits,
                   const TakeOutcome& take) {
  std::ranges::stable_sort(trainings, std::greater<>(), [](const TrainingSettings& settings) {
    return training_cost(settings).flops;
  });
  double total_flops = 0;
  for (const TrainingSettings& settings : trainings) total_flops += training_cost(settings).flops;
  const Index workers = std::clamp<Index>(static_cast<Index>(trainings.size()), 1, limits.threads);
  TrainingRun(limits, total_flops, take).run(trainings, static_cast<int>(workers));
}

}  // namespace seqbench
