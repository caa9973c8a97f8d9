#include "harness/registry.h"

#include <algorithm>
#include <stdexcept>

#include "attention/multi_head_attention.h"
#include "rnn/recurrent_layer.h"

namespace seqbench {
namespace {

// Kernels by name, in the order of the enumerations, slowest first.
const std::vector<std::string> kRecurrentKernels = {"stepwise", "hoisted"};
const std::vector<std::string> kAttentionKernels = {"naive", "fused"};

std::size_t position_of(const std::string& kernel, const ModelInfo& model) {
  const auto found = std::find(model.kernels.begin(), model.kernels.end(), kernel);
  if (found == model.kernels.end()) {
    throw std::invalid_argument("model " + model.name + " has no kernel '" + kernel + "'");
  }
  return static_cast<std::size_t>(found - model.kernels.begin());
}

RecurrentOptions recurrent_options(const LayerSpec& spec) {
  return {.width = spec.width,
          .kernel = RecurrentKernel(position_of(spec.kernel, model_info(spec.model)))};
}

AttentionOptions attention_options(const LayerSpec& spec) {
  return {.width = spec.width,
          .heads = spec.heads,
          .causal = spec.causal,
          .kernel = AttentionKernel(position_of(spec.kernel, model_info(spec.model)))};
}

}  // namespace

const std::vector<ModelInfo>& all_models() {
  static const std::vector<ModelInfo> models = {
      {.name = "elman", .kernels = kRecurrentKernels, .gates = 1},
      {.name = "lstm", .kernels = kRecurrentKernels, .gates = 4},
      {.name = "gru", .kernels = kRecurrentKernels, .gates = 3},
      {.name = "attention", .kernels = kAttentionKernels, .gates = 0},
  };
  return models;
}

const ModelInfo& model_info(const std::string& name) {
  for (const ModelInfo& model : all_models()) {
    if (model.name == name) return model;
  }
  throw std::invalid_argument("there is no model '" + name + "'");
}

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const ModelInfo& model : all_models()) names.push_back(model.name);
  return names;
}

std::vector<std::string> kernel_names() {
  std::vector<std::string> names = kRecurrentKernels;
  names.insert(names.end(), kAttentionKernels.begin(), kAttentionKernels.end());
  return names;
}

template <typename T>
std::unique_ptr<SequenceLayer<T>> make_layer(const LayerSpec& spec) {
  if (spec.model == "elman") return make_elman<T>(recurrent_options(spec));
  if (spec.model == "lstm") return make_lstm<T>(recurrent_options(spec));
  if (spec.model == "gru") return make_gru<T>(recurrent_options(spec));
  if (spec.model == "attention") return make_attention<T>(attention_options(spec));
  throw std::invalid_argument("there is no model '" + spec.model + "'");
}

template std::unique_ptr<SequenceLayer<float>> make_layer(const LayerSpec&);
template std::unique_ptr<SequenceLayer<double>> make_layer(const LayerSpec&);

LayerCost declared_cost(const LayerSpec& spec, SequenceShape shape, Pass pass, int workers) {
  if (spec.model == "elman") return elman_cost<float>(recurrent_options(spec), shape, pass);
  if (spec.model == "lstm") return lstm_cost<float>(recurrent_options(spec), shape, pass);
  if (spec.model == "gru") return gru_cost<float>(recurrent_options(spec), shape, pass);
  return attention_cost<float>(attention_options(spec), shape, pass, workers);
}

}  // namespace seqbench
