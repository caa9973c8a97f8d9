#include "harness/text/parallel_pass.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#include "core/elementwise.h"

namespace seqbench {
namespace {

constexpr Index kLeastSequences = 4;
constexpr Index kMostSlices = 32;

// Batches that a validation reads before it computes them side by side.
constexpr std::size_t kReadAhead = 64;

ThreadTeam team_for(EvenParts slices, const ThreadTeam& team) {
  if (slices.count() == 1 || team.size() <= slices.count()) return team;
  return ThreadTeam(int(slices.count()), team.cpus());
}

}  // namespace

EvenParts parallel_slices(SequenceShape batch) {
  const Index most = std::clamp<Index>(batch.batch / kLeastSequences, 1, kMostSlices);
  return EvenParts::into(batch.batch, Index(std::bit_floor(static_cast<std::size_t>(most))));
}

ParallelPass::ParallelPass(const SequenceModelSpec& spec, SequenceShape batch,
                           const ThreadTeam& team, SequenceModel<float>& model)
    : slices_(parallel_slices(batch)), team_(team_for(slices_, team)), model_(model) {
  const SequenceShape slice{slices_[0].count, batch.steps};
  const bool alone = slices_.count() == 1;
  model_.reserve(slice, slice.batch * slice.steps, alone ? team_.size() : 1);
  for (int w = 1; w < team_.size() && !alone; ++w) {
    others_.push_back(std::make_unique<SequenceModel<float>>(spec));
    others_.back()->reserve(slice, slice.batch * slice.steps, 1);
  }
  taken_.resize(static_cast<std::size_t>(team_.size()));
  losses_.resize(static_cast<std::size_t>(slices_.count()));
}

void ParallelPass::reserve_gradients() {
  if (!gradients_.empty()) return;
  gradients_.resize(losses_.size());
  for (auto& gradients : gradients_) {
    for (const Parameter<float>* parameter : model_.parameters()) {
      gradients.emplace_back(parameter->value.shape());
    }
  }
}

SequenceModel<float>& ParallelPass::model_of(std::size_t worker) {
  if (worker == 0) return model_;
  SequenceModel<float>& model = *others_[worker - 1];
  if (!is_copy_[worker]) copy_parameters(model_, model);
  is_copy_[worker] = true;
  return model;
}

double ParallelPass::train(const TaskBatch& batch, const CarriedState<float>& state) {
  if (slices_.count() == 1) {
    model_.carry(state);
    const double loss = model_.forward(team_, batch, Keep::kForBackward);
    model_.backward(team_, batch);
    return loss;
  }
  reserve_gradients();
  is_copy_.assign(taken_.size(), false);
  team_.for_each_task(slices_.count(), [&](Index slice, int worker) {
    take_slice(batch, state, slice, static_cast<std::size_t>(worker));
  });
  const auto& parameters = model_.parameters();
  team_.for_each_task(Index(parameters.size()), [&](Index task, int) {
    const auto k = static_cast<std::size_t>(task);
    Tensor<float>& sum = gradients_[0][k];
    for (std::size_t slice = 1; slice < gradients_.size(); ++slice) {
      add(gradients_[slice][k].matrix(), sum.matrix());
    }
    std::swap(sum, parameters[k]->gradient);
  });
  return std::accumulate(losses_.begin(), losses_.end(), 0.0);
}

void ParallelPass::take_slice(const TaskBatch& batch, const CarriedState<float>& state, Index slice,
                              std::size_t worker) {
  const ThreadTeam alone;
  SequenceModel<float>& model = model_of(worker);
  model.carry(state.rows(slices_[slice].first, slices_[slice].count));
  const auto s = static_cast<std::size_t>(slice);
  TaskBatch& taken = taken_[worker];
  taken.take(batch, slices_[slice]);
  const double share = double(taken.answers()) / double(batch.answers());
  // The model's gradients for the time of this slice.
  const auto exchange = [&] {
    for (std::size_t k = 0; k < gradients_[s].size(); ++k) {
      std::swap(gradients_[s][k], model.parameters()[k]->gradient);
    }
  };
  exchange();
  losses_[s] = share * model.forward(alone, taken, Keep::kForBackward);
  model.backward(alone, taken, share);
  exchange();
}

ValidationLoss ParallelPass::evaluate(const Corpus& corpus, const ValidationPlan& plan) {
  Index longest = 0;
  for (const ValidationPlan::Batch& batch : plan.batches) longest = std::max(longest, batch.steps);
  const auto steps = static_cast<std::size_t>(longest);
  is_copy_.assign(taken_.size(), false);
  const ThreadTeam alone;
  std::vector<double> sums(steps), whole_sums(steps);
  double whole_windows = 0;
  std::vector<TaskBatch> read(kReadAhead);
  std::vector<std::vector<double>> losses(kReadAhead);
  const bool carries = plan.streams > 0;
  const std::vector<Index> state_shape{plan.streams, carries ? model_.carried_width() : 0};
  Tensor<float> before(state_shape), after(state_shape);
  std::size_t count = 0;
  for (std::size_t first = 0; first < plan.batches.size(); first += count) {
    const Index round = plan.batches[first].round;
    const std::size_t most = std::min(kReadAhead, plan.batches.size() - first);
    for (count = 1; count < most && plan.batches[first + count].round == round;) ++count;
    for (std::size_t i = 0; i < count; ++i) {
      corpus.read_validation(plan.batches[first + i], read[i]);
    }
    const auto compute = [&](const ThreadTeam& team, Index task, int worker) {
      const auto i = static_cast<std::size_t>(task);
      SequenceModel<float>& model = model_of(static_cast<std::size_t>(worker));
      CarriedState<float> state;
      if (carries) state = {before.matrix(), after.matrix()};
      model.carry(state.rows(plan.batches[first + i].stream, read[i].shape.batch));
      model.forward(team, read[i], Keep::kNothing);
      losses[i] = model.losses();
    };
    if (slices_.count() == 1) {
      for (std::size_t i = 0; i < count; ++i) compute(team_, Index(i), 0);
    } else {
      team_.for_each_task(Index(count), [&](Index i, int worker) { compute(alone, i, worker); });
    }
    for (std::size_t i = 0; i < count; ++i) {
      const auto of_batch = static_cast<std::size_t>(read[i].shape.steps);
      for (std::size_t a = 0; a < losses[i].size(); ++a) {
        sums[a % of_batch] += losses[i][a];
        if (of_batch == steps) whole_sums[a % of_batch] += losses[i][a];
      }
      if (of_batch == steps) whole_windows += double(read[i].shape.batch);
    }
    const std::size_t next = first + count;
    const bool ends_round = next == plan.batches.size() || plan.batches[next].round != round;
    if (ends_round) std::swap(before, after);
  }
  ValidationLoss loss;
  loss.mean = std::accumulate(sums.begin(), sums.end(), 0.0) / double(plan.tokens);
  for (const double sum : whole_sums) loss.by_position.push_back(sum / whole_windows);
  return loss;
}

}  // namespace seqbench
