// Every model and kernel by name. To add a model: one entry in the table of registry.cc; the recall
// tasks name its settings in tasks.cc and its variants in variants.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "attention/attention_map.h"
#include "core/dropout.h"
#include "core/sequence_layer.h"

namespace seqbench {

struct ModelInfo {
  std::string name;
  std::vector<std::string> kernels;  // the ladder, slowest first
  int gates = 0;                     // D×D input and recurrent matrices; 0 for attention

  bool is_recurrent() const { return gates > 0; }
  const std::string& fastest_kernel() const { return kernels.back(); }
};

/// One layer by name. What follows the width applies to attention only.
struct LayerSpec {
  std::string model;
  std::string kernel;
  Index width = 256;
  Index heads = 1;
  bool causal = false;
  bool rotary = false;              // positions
  AttentionWatch* watch = nullptr;  // either needs kernel naive
  const Dropout* dropout = nullptr;
};

const std::vector<ModelInfo>& all_models();
/// Throws std::invalid_argument for an unknown name.
const ModelInfo& model_info(const std::string& name);
std::vector<std::string> model_names();
/// The kernels of all models, each name once.
std::vector<std::string> kernel_names();

/// A new layer with zero parameters. Throws std::invalid_argument when the model has no such kernel
/// or `heads` does not divide `width`.
template <typename T>
std::unique_ptr<SequenceLayer<T>> make_layer(const LayerSpec& spec);
template <>
std::unique_ptr<SequenceLayer<float>> make_layer(const LayerSpec& spec);
template <>
std::unique_ptr<SequenceLayer<double>> make_layer(const LayerSpec& spec);

/// The cost that make_layer<float>(spec) declares, without making it.
LayerCost declared_cost(const LayerSpec& spec, SequenceShape shape, Pass pass, int workers);

/// What the kernel chose for this shape and so many workers at the same time; "" where it has no
/// choice.
std::string kernel_form(const LayerSpec& spec, SequenceShape shape, Pass pass, int workers);

}  // namespace seqbench
