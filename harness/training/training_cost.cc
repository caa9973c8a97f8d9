#include "harness/training/training_cost.h"

#include "harness/models/registry.h"
#include "harness/training/gradient_probe.h"

namespace seqbench {
namespace {

LayerCost layer_cost(const SequenceModelSpec& spec, SequenceShape shape) {
  const Dropout dropout{.probability = spec.dropout};
  return declared_cost(layer_spec(spec, &dropout), shape, Pass::kTrain, 1);
}

double mlp_parameters(const SequenceModelSpec& spec) {
  return 2 * double(spec.mlp_expansion) * double(spec.width) * double(spec.width);
}

/// Of the forward and backward passes of one batch.
double step_flops(const SequenceModelSpec& spec, SequenceShape shape) {
  const double N = double(shape.batch) * double(shape.steps);
  const double rest = mlp_parameters(spec) + double(spec.variant.taps) * double(spec.width);
  return double(spec.layers) * (layer_cost(spec, shape).flops + 3 * 2 * N * rest);
}

double parameter_scalars(const SequenceModelSpec& spec) {
  const double D = double(spec.width), taps = double(spec.variant.taps);
  const bool has_table = spec.variant.positions == Positions::kLearned ||
                         spec.variant.positions == Positions::kSinusoidal;
  const double positions = has_table ? double(spec.longest) * D : 0;
  const Index readout = spec.as_gpt2 ? 0 : spec.answers;
  return double(spec.vocabulary + spec.channels + readout) * D + positions +
         double(spec.layers) * (layer_cost(spec, {1, 1}).parameters + mlp_parameters(spec) +
                                (taps > 0 ? (taps + 1) * D : 0));
}

/// What a model keeps for batches of this shape with so many answers.
double state_scalars(const SequenceModelSpec& spec, SequenceShape shape, double answers) {
  const double N = double(shape.batch) * double(shape.steps), D = double(spec.width);
  // A block's states (block.h): its output, in residual form five more and the MLP's twice, with
  // gelu three times, and two of a convolution.
  const double mlp_states = (spec.mlp == MlpKind::kGelu ? 3 : 2) * double(spec.mlp_expansion);
  const double block_states =
      (spec.residual ? 6 + mlp_states : 1) + (spec.variant.taps > 0 ? 2 : 0);
  // The first block's products with the rows that tokens share: in a recurrent layer's gates.
  const double shared_states = double(model_info(spec.model).gates);
  const double layers = double(spec.layers), dropout_states = spec.dropout > 0 ? 1 : 0;
  return N * (D * (2 + layers * block_states + shared_states + dropout_states) +
              2 * double(spec.channels)) +
         answers * (3 * D + 2 * double(spec.answers) + 1) +
         layers * layer_cost(spec, shape).workspace_bytes / sizeof(float);
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
  const double parameters = parameter_scalars(spec);
  const LargestBatch largest = largest_batch(settings, settings.tested_distances());
  // In float: value, gradient, the sum over slices and two moments of a parameter. In double: value
  // and gradient.
  TrainingCost cost{
      .flops = double(settings.steps) * flops,
      .bytes = sizeof(float) *
               (5 * parameters + state_scalars(spec, largest.shape, double(largest.answers)))};
  if (settings.measure_gradients) {
    const SequenceShape probe = probe_shape(gradient_probe(settings));
    cost.bytes +=
        sizeof(double) * (2 * parameters + state_scalars(spec, probe, double(probe.batch)));
  }
  return cost;
}

}  // namespace seqbench
