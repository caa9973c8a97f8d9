#include "harness/training/training_cost.h"

#include "harness/models/registry.h"
#include "harness/training/gradient_probe.h"
#include "harness/training/sweep_probe.h"

namespace seqbench {
namespace {

/// Of the forward and backward passes of one batch: layers, MLPs and convolutions.
double step_flops(const SequenceModelSpec& spec, SequenceShape shape) {
  const double N = double(shape.batch) * double(shape.steps), D = double(spec.form.width);
  const Dropout dropout{.probability = spec.form.dropout};
  double flops = 0;
  for (Index k = 0; k < spec.form.layers; ++k) {
    const BlockSpec block = block_spec(spec, k, &dropout);
    const double layer = declared_cost(block.layer, shape, Pass::kTrain, 1).flops;
    const double rest = 2 * double(spec.form.mlp_expansion) * D * D + double(block.taps) * D;
    flops += (block.bidirectional ? 2 : 1) * layer + 3 * 2 * N * rest;
  }
  return flops;
}

}  // namespace

TrainingCost training_cost(const TrainingSettings& settings) {
  const SequenceModelSpec spec = model_spec(settings);
  check(spec);
  const auto trained = settings.trained_distances();
  double flops = 0;  // a step's, mean over the mixture
  for (const Index distance : trained) {
    const SequenceShape shape{settings.batch,
                              settings.task->sequence_length(settings.task_setting(distance))};
    flops += step_flops(spec, shape) / double(trained.size());
  }
  const double parameters = declared_parameters(spec);
  const LargestBatch largest = largest_batch(settings, settings.tested_distances());
  // Of a parameter: value, the sum of its gradient over slices, and two moments.
  TrainingCost cost{.flops = double(settings.training_steps) * flops,
                    .bytes = sizeof(float) * 4 * parameters +
                             declared_workspace_bytes<float>(spec, largest.shape, largest.answers)};
  if (settings.measure_gradients) {
    const GradientProbe probe = gradient_probe(settings);
    const SequenceShape shape = probe_shape(probe);
    cost.bytes += sizeof(double) * parameters +
                  declared_workspace_bytes<double>(probed_spec(probe), shape, shape.batch);
  }
  if (settings.measure_sweeps) cost.bytes += sweep_probe_bytes(settings);
  return cost;
}

}  // namespace seqbench
