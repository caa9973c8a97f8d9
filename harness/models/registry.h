// Every model and kernel by name. To add a model here: docs/architecture.md; from a program of your
// own, without a change here: register_model() and docs/extending.md.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "attention/ablation.h"
#include "attention/attention_map.h"
#include "core/dropout.h"
#include "core/gemm_options.h"
#include "core/sequence_layer.h"
#include "harness/tasks/model_settings.h"
#include "rnn/newton_rules.h"

namespace seqbench {

/// How a model comes to know the tokens before.
enum class ModelKind {
  kRecurrent,  // from a state that it carries along, in one direction
  kAttention,  // from all tokens at once, weighted, in heads
};

/// What a model is called and has; how its layers are made stands beside it in registry.cc.
struct ModelInfo {
  std::string name;
  ModelKind kind = ModelKind::kRecurrent;
  std::vector<std::string> kernels;  // the ladder, slowest first
  std::string default_kernel;        // of those: what runs where none is asked for
  std::string watched_kernel = {};   // of those: the one that shows its weights and drops some of
                                     // them; empty for a model without weights
  /// Of those, quickest in double precision first: one that is not a case's own says what is right;
  /// empty: the formula in timing/reference.cc does.
  std::vector<std::string> reference_kernels = {};
  std::string rounded_kernel = {};    // of those: the one that takes factors in bfloat16; or none
  std::vector<std::string> variants;  // by their names (variants.h), the plain form first
  std::vector<std::string> layer_variants = {};  // of those: what a layer itself can be, the plain
                                                 // form first; empty: it is the same in all

  bool bends = false;  // the gradient jumps where the second half of x·weight_ihᵀ + bias_ih is 0

  bool takes_narrow_input = false;  // SequenceLayer::takes_narrow_input() of its default kernel

  /// Whether heads and causality are the layer's own; else it has neither and sees earlier tokens
  /// alone.
  bool has_heads() const { return kind == ModelKind::kAttention; }
};

/// One layer by name. What follows the candidate applies to models with heads only.
struct LayerSpec {
  std::string model;
  std::string kernel;
  Index width = 256;
  NewtonRules newton = {};        // of the kernel of that name
  bool linear_candidate = false;  // minGRU's variant "linear": g(v) = v
  Index heads = 1;
  bool causal = false;
  bool rotary = false;                  // positions
  bool uniform = false;                 // the same weight for every token seen
  Index window = 0;                     // AttentionOptions::window, which needs the watched kernel
  Ablation ablation = Ablation::kNone;  // kNoSoftmax needs the watched kernel
  std::uint64_t frozen_seed = 0;        // of weights that an ablation draws and nothing trains
  AttentionWatch* watch = nullptr;      // either needs the watched kernel
  const Dropout* dropout = nullptr;
  bool biases = true;
  Factors factors = Factors::kAsTheyAre;  // kBfloat16: the rounded kernel, and those of references
};

/// Those of this project, then those that were registered.
const std::vector<ModelInfo>& all_models();
/// The models of one kind, in the registry's order.
std::vector<std::string> model_names(ModelKind kind);
/// Throws std::invalid_argument for an unknown name.
const ModelInfo& model_info(std::string_view name);
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

/// What SequenceLayer::row_scratch() of the layer says, without one.
double declared_row_scratch(const LayerSpec& spec, SequenceShape shape, RowCounts rows);

/// What bounds a pass from below on any machine: work that needs no order, read and computed at
/// once, then steps that wait for each other, each with work and reading of its own.
struct RooflineTerms {
  double bulk_flops = 0, bulk_bytes = 0;
  double steps = 0;
  double step_flops = 0, step_bytes = 0;
};

/// That of a layer's pass. Its FLOPs are those of declared_cost().
///
/// Attention: all in bulk; bytes count in decode alone, as weights and the key-value cache.
/// Recurrent: forward, the product with the input in bulk, then T steps, each of which reads the
/// recurrent weights; train, the mirrored loop besides and three more products in bulk (dx, dW_ih,
/// dW_hh); decode, both products at once; by kernel newton no step waits. minGRU: all in bulk;
/// bytes count in decode alone, as weights.
RooflineTerms roofline_terms(const LayerSpec& spec, SequenceShape shape, Pass pass);

/// What the kernel chose for this shape and so many workers at the same time; "" where it has no
/// choice.
std::string kernel_form(const LayerSpec& spec, SequenceShape shape, Pass pass, int workers);

/// A model: what it is called and has, how to make one, and what it costs. Each function is given
/// specs of this model alone, with one of its kernels.
struct ModelEntry {
  ModelInfo info;
  std::unique_ptr<SequenceLayer<float>> (*make_float)(const LayerSpec&) = nullptr;
  std::unique_ptr<SequenceLayer<double>> (*make_double)(const LayerSpec&) = nullptr;
  LayerCost (*cost)(const LayerSpec&, SequenceShape, Pass, int workers) = nullptr;
  RooflineTerms (*roofline)(const LayerSpec&, SequenceShape, Pass) = nullptr;
  double (*row_scratch)(const LayerSpec&, SequenceShape, RowCounts) = nullptr;  // null: always 0
  std::string (*form)(const LayerSpec&, SequenceShape, Pass,
                      int workers) = nullptr;  // null: it has no choice
};

/// Adds a recurrent model to this program, behind those that it has; `on_tasks` is how it takes
/// part in the tasks. To be called at the start of main(), before anything asks for a model or a
/// task: throws std::logic_error later. Throws std::invalid_argument, which says what is wrong: a
/// name that is taken, or of other characters than a-z, 0-9 and _; a default, rounded or reference
/// kernel that is none of its kernels; fewer than two reference kernels, so that one would be
/// checked against itself; no variant (their names: variants.h); a function that is missing.
void register_model(ModelEntry entry, ModelOnTasks on_tasks);

}  // namespace seqbench
