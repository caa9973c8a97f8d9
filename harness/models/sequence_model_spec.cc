#include "harness/models/sequence_model_spec.h"

#include <cassert>
#include <stdexcept>

#include "core/reversed_layer.h"
#include "harness/models/registry.h"

namespace seqbench {
namespace {

bool has_positions(const SequenceModelSpec& spec) {
  return spec.variant.positions == Positions::kLearned ||
         spec.variant.positions == Positions::kSinusoidal;
}

/// Trainable tensors of the model outside its blocks.
std::vector<ParameterShape> outer_parameters(const SequenceModelSpec& spec) {
  const Index D = spec.form.width;
  std::vector<ParameterShape> parameters;
  const auto append = [&](const std::vector<ParameterShape>& more) {
    parameters.insert(parameters.end(), more.begin(), more.end());
  };
  const bool embeds = !spec.form.direct_input;
  if (embeds && spec.reads_tokens()) append({{"embedding.weight", {spec.vocabulary, D}}});
  if (embeds && !spec.reads_tokens()) append(LinearLayer<float>::shapes("input", spec.channels, D));
  if (spec.variant.positions == Positions::kLearned) {
    append({{"positions.weight", {spec.longest, D}}});
  }
  if (spec.has_final_norm()) append(NormLayer<float>::shapes("final_norm", D, spec.form.biases));
  if (!spec.form.as_gpt2) append(LinearLayer<float>::shapes("readout", D, spec.answers));
  return parameters;
}

}  // namespace

bool can_read_directly(const SequenceModelSpec& spec) {
  const bool bare = !spec.form.residual && spec.variant.taps == 0;
  return bare && model_info(spec.model).takes_narrow_input && spec.causal && !spec.form.as_gpt2 &&
         spec.form.width >= spec.channels;
}

void check(const SequenceModelSpec& spec) {
  assert((spec.vocabulary > 0) != (spec.channels > 0));
  if (spec.form.as_gpt2 && spec.answers != spec.vocabulary) {
    throw std::invalid_argument("a tied readout needs as many answers as tokens, got " +
                                std::to_string(spec.answers) + " and " +
                                std::to_string(spec.vocabulary));
  }
  if (spec.form.direct_input && !can_read_directly(spec)) {
    throw std::invalid_argument(
        "a direct input needs bare recurrent layers in one direction, at least as wide as it, and "
        "no tied readout");
  }
}

BlockSpec block_spec(const SequenceModelSpec& spec, Index k, const Dropout* dropout) {
  const ModelInfo& model = model_info(spec.model);
  const bool drops = spec.form.dropout > 0 && !model.watched_kernel.empty();
  const bool needs_naive = spec.variant.window > 0 || spec.variant.ablation == Ablation::kNoSoftmax;
  constexpr std::uint64_t kMostBlocks = 1 << 16;
  const bool is_watched = spec.watch != nullptr && !model.watched_kernel.empty();
  // Before the first block nothing but a position or dropout tells two tokens of one word apart.
  const bool shares_rows = k == 0 && spec.reads_tokens() && !has_positions(spec) &&
                           spec.form.dropout == 0 && !spec.embedding_gradient;
  return {.layer = {.model = spec.model,
                    .kernel = is_watched || drops || needs_naive ? model.watched_kernel
                              : spec.kernel.empty()              ? model.default_kernel
                                                                 : spec.kernel,
                    .width = spec.form.width,
                    .newton = spec.newton,
                    .linear_candidate = spec.variant.linear_candidate,
                    .heads = spec.form.heads,
                    .causal = spec.causal,
                    .rotary = spec.variant.positions == Positions::kRotary,
                    .uniform = spec.variant.uniform_weights,
                    .window = spec.variant.window,
                    .ablation = spec.variant.ablation,
                    .frozen_seed = spec.frozen_seed * kMostBlocks + std::uint64_t(k),
                    .watch = is_watched ? spec.watch : nullptr,
                    .dropout = drops ? dropout : nullptr,
                    .biases = spec.form.biases,
                    .factors = spec.factors},
          .form = spec.form,
          .taps = spec.variant.taps,
          .bidirectional = !model.has_heads() && !spec.causal,
          .shared_rows = shares_rows ? spec.vocabulary : 0,
          .at_answers = k + 1 == spec.form.layers};
}

double declared_parameters(const SequenceModelSpec& spec) {
  double count = scalar_count(outer_parameters(spec));
  const Dropout dropout{.probability = spec.form.dropout};
  for (Index k = 0; k < spec.form.layers; ++k) {
    const BlockSpec block = block_spec(spec, k, &dropout);
    const double layer = declared_cost(block.layer, {1, 1}, Pass::kForward, 1).parameters;
    count += (block.bidirectional ? 2 : 1) * layer + scalar_count(block_parameters(block));
  }
  return count;
}

double carried_bytes(const SequenceModelSpec& spec, Index context) {
  const BlockSpec block = block_spec(spec, 0, nullptr);
  const double inputs = block.taps > 0 ? double(block.taps - 1) * double(spec.form.width) : 0;
  // A cache is declared for the token that a step appends, too.
  const double state = declared_cost(block.layer, {1, context}, Pass::kDecode, 1).state_bytes;
  return double(spec.form.layers) * (state + sizeof(float) * inputs);
}

template <typename T>
double declared_workspace_bytes(const SequenceModelSpec& spec, SequenceShape shape, Index answers) {
  double bytes = allocated_bytes<T>(model_buffers(spec, shape, answers));
  const auto add_gradients = [&bytes](const std::vector<ParameterShape>& parameters) {
    for (const ParameterShape& each : parameters) bytes += allocated_bytes<T>(each.shape);
  };
  add_gradients(outer_parameters(spec));
  // The readout's bias, which is no parameter of a tied one.
  if (spec.form.as_gpt2) bytes += allocated_bytes<T>({spec.answers});
  const Dropout dropout{.probability = spec.form.dropout};
  for (Index k = 0; k < spec.form.layers; ++k) {
    const BlockSpec block = block_spec(spec, k, &dropout);
    // The registry declares the cost of layers of floats.
    const double layer = declared_cost(block.layer, shape, Pass::kTrain, 1).workspace_bytes;
    bytes += (block.bidirectional ? 2 : 1) * layer * sizeof(T) / sizeof(float);
    if (block.bidirectional) {
      bytes += reversed_workspace_bytes<T>(shape, spec.form.width, Pass::kTrain);
    }
    bytes += allocated_bytes<T>(block_buffers(block, shape, answers));
    add_gradients(block_parameters(block));
  }
  return bytes;
}
template double declared_workspace_bytes<float>(const SequenceModelSpec&, SequenceShape, Index);
template double declared_workspace_bytes<double>(const SequenceModelSpec&, SequenceShape, Index);

ModelBuffers<BufferShape> model_buffers(const SequenceModelSpec& spec, SequenceShape shape,
                                        Index answers) {
  const Index D = spec.form.width;
  const BufferShape state{shape.batch, shape.steps, D};
  ModelBuffers<BufferShape> buffers;
  buffers.states.assign(static_cast<std::size_t>(spec.form.layers) + 1, state);
  buffers.dstate = buffers.dstate_below = state;
  if (!spec.reads_tokens() && !spec.form.direct_input) {
    buffers.numbers = buffers.dnumbers = {shape.batch * shape.steps, spec.channels};
  }
  if (spec.form.dropout > 0) buffers.embedding_multipliers = state;
  buffers.features = buffers.dfeatures = {answers, D};
  if (spec.has_final_norm()) {
    buffers.normed = {answers, D};
    buffers.mean = buffers.rstd = {answers};
  }
  buffers.logits = buffers.probabilities = {answers, spec.answers};
  buffers.values = {answers};
  return buffers;
}

}  // namespace seqbench
