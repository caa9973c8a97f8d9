#include "harness/training/training_data.h"

#include <algorithm>
#include <numeric>

#include "core/parts.h"
#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"
#include "harness/training/training_settings.h"

namespace seqbench {
namespace {

Random epoch_stream(const TrainingSettings& settings) {
  return Random(static_cast<std::uint64_t>(settings.seed), streams::kTrainingData);
}

}  // namespace

void draw_sequences(Random& random, const TrainingSettings& settings, Index distance,
                    Index sequences, Split split, TaskBatch& batch) {
  settings.task->draw(random,
                      {.sequences = sequences,
                       .setting = settings.task_setting(distance),
                       .evidence = settings.variant.evidence,
                       .split = split},
                      batch);
}

Index TrainingData::steps_per_epoch(const TrainingSettings& settings) {
  return parts_in(settings.defaults().training_sequences, settings.batch);
}

TrainingData::TrainingData(const TrainingSettings& settings)
    : settings_(settings),
      distances_(settings.trained_distances()),
      random_(epoch_stream(settings)) {
  if (settings.defaults().shuffles) {
    order_.resize(static_cast<std::size_t>(settings.defaults().training_sequences));
    std::iota(order_.begin(), order_.end(), Index{0});
    shuffle(random_, order_);
  }
}

void TrainingData::begin_epoch() {
  drawn_ = 0;
  if (order_.empty()) {
    random_ = epoch_stream(settings_);
  } else {
    shuffle(random_, order_);
  }
}

void TrainingData::draw_next(TaskBatch& batch) {
  const Index sequences = settings_.defaults().training_sequences;
  if (sequences > 0 && drawn_ == sequences) begin_epoch();
  const Index count =
      sequences > 0 ? std::min(settings_.batch, sequences - drawn_) : settings_.batch;
  const bool mixed = distances_.size() > 1;
  const Index choice = mixed ? random_.below(static_cast<Index>(distances_.size())) : 0;
  const Index distance = distances_[std::size_t(choice)];
  if (order_.empty()) {
    draw_sequences(random_, settings_, distance, count, Split::kTraining, batch);
  } else {
    draw_shuffled(distance, count, batch);
  }
  drawn_ += count;
}

void TrainingData::draw_shuffled(Index distance, Index sequences, TaskBatch& batch) {
  for (Index i = 0; i < sequences; ++i) {
    const auto number = static_cast<std::uint64_t>(order_[std::size_t(drawn_ + i)]);
    Random own(static_cast<std::uint64_t>(settings_.seed), streams::kFirstSequence + number);
    draw_sequences(own, settings_, distance, 1, Split::kTraining, i == 0 ? batch : one_);
    if (i > 0) batch.append(one_);
  }
}

}  // namespace seqbench
