#include "harness/training/training_step.h"

#include <memory>

#include "core/optimiser.h"
#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"

namespace seqbench {
namespace {

/// One update of the model's parameters with a learning rate.
std::function<void(double)> make_optimiser(const TrainingSettings& settings,
                                           SequenceModel<float>& model) {
  if (settings.defaults().optimiser == OptimiserKind::kRmsProp) {
    const auto rms_prop = std::make_shared<RmsProp<float>>(model.parameters());
    return [rms_prop](double learning_rate) { rms_prop->step(learning_rate); };
  }
  const auto adam = std::make_shared<AdamW<float>>(
      model.parameters(), AdamWOptions{.weight_decay = settings.used_weight_decay()});
  return [adam](double learning_rate) { adam->step(learning_rate); };
}

}  // namespace

TrainingStep::TrainingStep(const TrainingSettings& settings, SequenceModel<float>& model)
    : model_(model),
      pass_(model),
      max_gradient_norm_(settings.defaults().max_gradient_norm),
      update_(make_optimiser(settings, model)) {}

double TrainingStep::run(const ThreadTeam& team, const TaskBatch& batch, double learning_rate) {
  const double loss = pass_.run(team, batch);
  clip_global_norm(model_.parameters(), max_gradient_norm_);
  update_(learning_rate);
  return loss;
}

}  // namespace seqbench
