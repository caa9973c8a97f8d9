#include "harness/timing/scope.h"

#include <algorithm>

#include "harness/base/errors.h"
#include "harness/models/block.h"
#include "harness/models/variants.h"
#include "harness/models/width_matching.h"

namespace seqbench {
namespace {

LayerCost cost_of_block_or_model(const ScopedSpec& scoped, SequenceShape shape, Pass pass,
                                 int workers) {
  const SequenceModelSpec spec = model_spec(scoped, shape, pass);
  const BlockSpec block = block_spec(spec, 0, nullptr);
  const bool is_block = scoped.scope == Scope::kBlock, decodes = pass == Pass::kDecode;
  const double L = double(spec.form.layers);
  const LayerCost layer = declared_cost(block.layer, shape, pass, workers);
  LayerCost cost{.flops = L * layer.flops + flops_beside_layers(scoped, shape, pass),
                 .parameters = is_block ? layer.parameters + scalar_count(block_parameters(block))
                                        : declared_parameters(spec),
                 .state_bytes = L * layer.state_bytes};
  // But for decode, memory is reserved for training whatever the pass.
  const Index N = shape.batch * shape.steps, answers = decodes ? shape.batch : N;
  const Pass reserved = decodes ? Pass::kDecode : Pass::kTrain;
  cost.workspace_bytes =
      L * (declared_cost(block.layer, shape, reserved, workers).workspace_bytes +
           allocated_bytes<float>(block_buffers(block, shape, decodes ? 0 : answers)));
  if (!decodes) cost.workspace_bytes += sizeof(float) * (cost.parameters - L * layer.parameters);
  if (is_block) {
    const double sequences = pass == Pass::kTrain ? 5 : 2;  // x, y, dx, dy and what becomes of it
    const double tokens = decodes ? 2 * double(shape.batch) : 0;
    cost.workspace_bytes +=
        sizeof(float) * (sequences * double(N) + tokens) * double(scoped.layer.width);
  } else {
    cost.workspace_bytes += allocated_bytes<float>(model_buffers(spec, shape, answers)) +
                            double(N) * (2 * sizeof(Token) + sizeof(Index) + sizeof(double));
  }
  return cost;
}

}  // namespace

SequenceModelSpec model_spec(const ScopedSpec& spec, SequenceShape shape, Pass pass) {
  const LayerSpec& layer = spec.layer;
  const ModelInfo& model = model_info(layer.model);
  const std::string variant = model.has_heads()    ? "sinusoidal"
                              : spec.start.empty() ? model.variants.front()
                                                   : spec.start;
  const bool decodes = pass == Pass::kDecode;
  return {.model = layer.model,
          .variant = *find_variant(layer.model, variant),
          .vocabulary = kTimedVocabulary,
          .answers = kTimedVocabulary,
          .longest = std::max<Index>(2, shape.steps + (decodes ? 1 : 0)),
          .form = gpt2_form(layer.width, spec.blocks(), layer.heads),
          // Whoever writes has seen no later token; recurrent layers never do.
          .causal = layer.causal || !model.has_heads() || decodes,
          .embedding_gradient = true,  // so that equal characters share no products
          .kernel = layer.kernel,
          .newton = layer.newton};
}

LayerCost declared_cost(const ScopedSpec& spec, SequenceShape shape, Pass pass, int workers) {
  return spec.scope == Scope::kLayer ? declared_cost(spec.layer, shape, pass, workers)
                                     : cost_of_block_or_model(spec, shape, pass, workers);
}

double flops_beside_layers(const ScopedSpec& spec, SequenceShape shape, Pass pass) {
  if (spec.scope == Scope::kLayer) return 0;
  const double D = double(spec.layer.width), E = 4 * D;  // gpt2_form()
  const double tokens = double(shape.batch) * (pass == Pass::kDecode ? 1 : double(shape.steps));
  const double readout = spec.scope == Scope::kModel ? 2 * D * double(kTimedVocabulary) : 0;
  const double of_token = double(spec.blocks()) * 2 * 2 * D * E + readout;
  return (pass == Pass::kTrain ? 3 : 1) * tokens * of_token;
}

double parameter_bytes_beside_layers(const ScopedSpec& spec) {
  if (spec.scope == Scope::kLayer) return 0;
  constexpr SequenceShape kOne;
  const LayerSpec layer = block_spec(model_spec(spec, kOne, Pass::kForward), 0, nullptr).layer;
  const auto parameters = [&](const auto& of) {
    return declared_cost(of, kOne, Pass::kForward, 1).parameters;
  };
  return sizeof(float) * (parameters(spec) - double(spec.blocks()) * parameters(layer));
}

Index width_of_equal_parameters(const ScopedSpec& spec) {
  const auto count_at = [](ScopedSpec sized, Index width) {
    sized.layer.width = width;
    return Index(declared_cost(sized, {}, Pass::kForward, 1).parameters);
  };
  ScopedSpec attention = spec;
  attention.layer = {.model = "attention", .kernel = model_info("attention").default_kernel};
  attention.start = "";
  const Index target = count_at(attention, spec.layer.width);
  const auto count = [&](Index width) { return count_at(spec, width); };
  const Index width = closest_width(count, target);
  if (is_matched(count(width), target)) return width;
  throw UsageError("--match: " + spec.layer.model + " has " + std::to_string(count(width)) +
                   " parameters at width " + std::to_string(width) +
                   ", the closest; expected within 10 % of attention's " + std::to_string(target) +
                   ": a larger --width may help");
}

}  // namespace seqbench
