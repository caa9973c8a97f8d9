#include "harness/training/sweep_probe.h"

#include <algorithm>

#include "harness/tasks/task_batch.h"
#include "harness/training/training_data.h"
#include "rnn/recurrent_layer.h"

namespace seqbench {
namespace {

// One at a time, so that the sweeps are those of a sequence.
constexpr Index kSequences = 16;

SequenceModelSpec probed_spec(const TrainingSettings& settings) {
  SequenceModelSpec spec = model_spec(settings);
  spec.kernel = "newton";
  spec.newton = {.window = kMostNewtonWindow, .gives_up = false};
  spec.form.dropout = 0;
  return spec;
}

/// Of one sequence.
LargestBatch probed_batch(const TrainingSettings& settings) {
  TrainingSettings one = settings;
  one.batch = 1;
  one.mixture.clear();
  return largest_batch(one, {settings.distance});
}

}  // namespace

bool takes_sweeps(const TrainingSettings& settings) {
  const auto& kernels = model_info(settings.model).kernels;
  return std::ranges::find(kernels, "newton") != kernels.end();
}

SweepPoint probe_sweeps(const ThreadTeam& team, const TrainingSettings& settings, Index step,
                        SequenceModel<float>& trained) {
  SequenceModel<float> model(probed_spec(settings));
  copy_parameters(trained, model);
  const LargestBatch largest = probed_batch(settings);
  model.reserve(largest.shape, largest.answers, team.size());
  SweepPoint point{
      .step = step, .seq_len = largest.shape.steps, .counts = {}, .gate_mean = std::nullopt};
  Random random(static_cast<std::uint64_t>(settings.seed), streams::kSweepData);
  TaskBatch batch;
  double gates = 0;
  Index layers = 0;
  for (Index i = 0; i < kSequences; ++i) {
    draw_sequences(random, settings, settings.distance, 1, Split::kTraining, batch);
    model.forward(team, batch, Keep::kForBackward);
    for (SequenceLayer<float>* layer : model.layers()) {
      point.counts.add(layer->sweep_counts());
      if (const auto mean = keeping_gate_mean(*layer)) gates += *mean, ++layers;
    }
  }
  if (layers > 0) point.gate_mean = gates / double(layers);
  return point;
}

double sweep_probe_bytes(const TrainingSettings& settings) {
  const SequenceModelSpec spec = probed_spec(settings);
  const LargestBatch largest = probed_batch(settings);
  return sizeof(float) * declared_parameters(spec) +
         declared_workspace_bytes<float>(spec, largest.shape, largest.answers);
}

}  // namespace seqbench
