// How strongly the loss at a sequence's last answer depends on the words before it:
// E‖∂L/∂e_{T−k}‖ for k = 1, 2, …, L the loss of that answer, e the embedding's output.
#pragma once

#include <optional>
#include <vector>

#include "harness/base/statistics.h"
#include "harness/models/sequence_model.h"
#include "harness/tasks/task.h"
#include "harness/training/training_settings.h"

namespace seqbench {

struct GradientPoint {
  Index distance = 0;     // k
  double norm = 0;        // mean over sequences; 0 below the smallest double
  double log10_norm = 0;  // of the same, which reaches down to 10⁻⁵⁹⁶; −∞ below
};

struct GradientProbe {
  const Task* task = nullptr;
  TaskSetting setting;  // of training; a longer distance where its sequences are too short
  Evidence evidence = Evidence::kGiven;
  SequenceModelSpec spec;
  Index sequences = 1;  // at most; 64 are enough
  Index reach = 0;      // the largest k, where the sequences reach it; 0: as training's do
  std::uint64_t seed = 1;
  std::uint64_t stream = 0;  // of random numbers; this and the next are for the probe alone
};

/// That of a training: its own task, model and random numbers.
GradientProbe gradient_probe(const TrainingSettings& settings);

/// In double, with the loss scaled so that nothing underflows on the way back. Sequences may be
/// longer than those of training: positions that were not learned are as they are drawn at first.
/// Throws std::bad_alloc.
std::vector<GradientPoint> gradients_by_distance(const ThreadTeam& team, const GradientProbe& probe,
                                                 SequenceModel<float>& trained);

/// The model that it runs: longer where its sequences are, and telling gradients.
SequenceModelSpec probed_spec(const GradientProbe& probe);

/// The batches that it runs.
SequenceShape probe_shape(const GradientProbe& probe);

/// log₁₀ of the norm against the distance: its slope is in decades a step. Empty with fewer than
/// two points above 0.
std::optional<LineFit> fit_decay(const std::vector<GradientPoint>& points);

}  // namespace seqbench
