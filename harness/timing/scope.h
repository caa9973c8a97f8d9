// What of a model `--block` times: a bare layer, or in the form of GPT-2 (gpt2_form() in
// tasks/model_form.h)
//
//   block   norm, layer, norm and an MLP of four times the width, with residuals
//           (models/block.h): [B, T, D] in, [B, T, D] out
//   model   an embedding of 65 characters, `layers` such blocks, a norm and the readout, with the
//           loss of every next token (models/sequence_model.h). Attention adds fixed waves as
//           positions. A recurrent layer reads forward alone. No optimiser
#pragma once

#include <string>

#include "core/sequence_layer.h"
#include "harness/models/registry.h"
#include "harness/models/sequence_model_spec.h"

namespace seqbench {

enum class Scope { kLayer, kBlock, kModel };
inline constexpr const char* kScopeNames[] = {"layer", "block", "model"};  // in that order

/// Characters of a model: those of Shakespeare's plays.
constexpr Index kTimedVocabulary = 65;

/// What is timed, of any scope.
struct ScopedSpec {
  LayerSpec layer;
  std::string start;  // of start_names(); "": the model's own
  Scope scope = Scope::kLayer;
  Index layers = 1;  // blocks of a model

  /// Of a block one.
  Index blocks() const { return scope == Scope::kModel ? layers : 1; }
};

/// The model of a scope beyond the layer; of a block, one that has that block alone.
SequenceModelSpec model_spec(const ScopedSpec& spec, SequenceShape shape, Pass pass);

/// As LayerCost says. Beyond the layer, workspace_bytes holds inputs and outputs too.
LayerCost declared_cost(const ScopedSpec& spec, SequenceShape shape, Pass pass, int workers);

/// FLOPs of a pass, and bytes of parameters, beside the layers.
double flops_beside_layers(const ScopedSpec& spec, SequenceShape shape, Pass pass);
double parameter_bytes_beside_layers(const ScopedSpec& spec);

/// The width at which it has as many parameters as attention in the same scope has at the layer's
/// own width. Throws UsageError where none comes within a tenth.
Index width_of_equal_parameters(const ScopedSpec& spec);

}  // namespace seqbench
