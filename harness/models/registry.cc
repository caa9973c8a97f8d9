#include "harness/models/registry.h"

#include <algorithm>
#include <stdexcept>

#include "attention/multi_head_attention.h"
#include "rnn/recurrent_layer.h"

namespace seqbench {
namespace {

// Kernels by name, in the order of the enumerations, slowest first.
const std::vector<std::string> kRecurrentKernels = {"stepwise", "hoisted", "persistent"};
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
          .kernel = AttentionKernel(position_of(spec.kernel, model_info(spec.model))),
          .rotary = spec.rotary,
          .watch = spec.watch,
          .dropout = spec.dropout};
}

/// A model: what it is called, and how to make one and to tell its cost.
struct Entry {
  ModelInfo info;
  std::unique_ptr<SequenceLayer<float>> (*make_float)(const LayerSpec&);
  std::unique_ptr<SequenceLayer<double>> (*make_double)(const LayerSpec&);
  LayerCost (*cost)(const LayerSpec&, SequenceShape, Pass, int workers);
};

const std::vector<Entry>& entries() {
  static const std::vector<Entry> table = {
      {{.name = "elman", .kernels = kRecurrentKernels, .gates = 1},
       [](const LayerSpec& spec) { return make_elman<float>(recurrent_options(spec)); },
       [](const LayerSpec& spec) { return make_elman<double>(recurrent_options(spec)); },
       [](const LayerSpec& spec, SequenceShape shape, Pass pass, int workers) {
         return elman_cost<float>(recurrent_options(spec), shape, pass, workers);
       }},
      {{.name = "lstm", .kernels = kRecurrentKernels, .gates = 4},
       [](const LayerSpec& spec) { return make_lstm<float>(recurrent_options(spec)); },
       [](const LayerSpec& spec) { return make_lstm<double>(recurrent_options(spec)); },
       [](const LayerSpec& spec, SequenceShape shape, Pass pass, int workers) {
         return lstm_cost<float>(recurrent_options(spec), shape, pass, workers);
       }},
      {{.name = "gru", .kernels = kRecurrentKernels, .gates = 3},
       [](const LayerSpec& spec) { return make_gru<float>(recurrent_options(spec)); },
       [](const LayerSpec& spec) { return make_gru<double>(recurrent_options(spec)); },
       [](const LayerSpec& spec, SequenceShape shape, Pass pass, int workers) {
         return gru_cost<float>(recurrent_options(spec), shape, pass, workers);
       }},
      {{.name = "attention", .kernels = kAttentionKernels, .gates = 0},
       [](const LayerSpec& spec) { return make_attention<float>(attention_options(spec)); },
       [](const LayerSpec& spec) { return make_attention<double>(attention_options(spec)); },
       [](const LayerSpec& spec, SequenceShape shape, Pass pass, int workers) {
         return attention_cost<float>(attention_options(spec), shape, pass, workers);
       }},
  };
  return table;
}

const Entry& entry_of(const std::string& model) {
  for (const Entry& entry : entries()) {
    if (entry.info.name == model) return entry;
  }
  throw std::invalid_argument("there is no model '" + model + "'");
}

}  // namespace

const std::vector<ModelInfo>& all_models() {
  static const std::vector<ModelInfo> models = [] {
    std::vector<ModelInfo> infos;
    for (const Entry& entry : entries()) infos.push_back(entry.info);
    return infos;
  }();
  return models;
}

const ModelInfo& model_info(const std::string& name) { return entry_of(name).info; }

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

template <>
std::unique_ptr<SequenceLayer<float>> make_layer(const LayerSpec& spec) {
  return entry_of(spec.model).make_float(spec);
}

template <>
std::unique_ptr<SequenceLayer<double>> make_layer(const LayerSpec& spec) {
  return entry_of(spec.model).make_double(spec);
}

LayerCost declared_cost(const LayerSpec& spec, SequenceShape shape, Pass pass, int workers) {
  return entry_of(spec.model).cost(spec, shape, pass, workers);
}

std::string kernel_form(const LayerSpec& spec, SequenceShape shape, Pass pass, int workers) {
  if (!model_info(spec.model).is_recurrent()) return "";
  return recurrent_form(recurrent_options(spec), shape, pass, workers);
}

}  // namespace seqbench
