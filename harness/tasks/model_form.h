// The form of a model that learns a task: what a settings table, the command line, a file's
// metadata and the model itself say of its size and its blocks, said once.
#pragma once

#include <cstddef>
#include <iterator>

#include "core/tensor.h"

namespace seqbench {

class CommandLine;

/// What follows a residual block's second norm (models/block.h has the formulas).
enum class MlpKind {
  kRelu,
  kGelu,      // in its tanh form (core/gelu.h)
  kIdentity,  // the norm's output itself, as in Zoology's blocks (Arora et al. 2023)
};
inline constexpr const char* kMlpKindNames[] = {"relu", "gelu", "identity"};  // in that order

struct ModelForm {
  Index width = 0;          // D of embedding and layers; in a settings table 0: the task's
  Index layers = 1;         // or blocks
  Index heads = 1;          // of models that have heads
  bool residual = false;    // pre-norm residual blocks (models/block.h) around the layers, and a
                            // layer norm behind the last one; else bare layers
  bool final_norm = false;  // that norm behind bare layers too
  Index mlp_expansion = 0;  // hidden width of a residual block's MLP ÷ width; 0: no MLP
  MlpKind mlp = MlpKind::kRelu;  // kIdentity needs residual blocks and an mlp_expansion of 0
  bool as_gpt2 = false;          // initial values as GPT-2's, and the embedding's table is the
                                 // readout's weight too, without bias: as many answers as tokens
  bool biases = true;            // of attention, MLP and norms; recurrent layers have theirs anyway
  bool direct_input = false;  // no embedding: the numbers of a step, or its token's number, are the
                              // only channels that the first layer reads. Bare layers in one
                              // direction only
  double dropout = 0;         // in training: of the embedding's output (positions included) and of
                              // attention's weights
};

/// Calls visit(name, field) for every field that a trained model is known by, in the order of the
/// files' metadata: all but dropout, which training alone has.
template <typename Form, typename Visit>
void visit_fields(Form& form, const Visit& visit) {
  visit("width", form.width);
  visit("layers", form.layers);
  visit("heads", form.heads);
  visit("mlp_expansion", form.mlp_expansion);
  visit("mlp", form.mlp);
  visit("residual", form.residual);
  visit("final_norm", form.final_norm);
  visit("as_gpt2", form.as_gpt2);
  visit("biases", form.biases);
  visit("direct_input", form.direct_input);
}

/// Pre-norm blocks with an MLP of four times the width and GELU, no biases, the readout tied to the
/// embedding: GPT-2's.
ModelForm gpt2_form(Index width, Index layers, Index heads);

/// Throws UsageError, as of --heads where that is given and else of --width, unless the heads
/// divide the width.
void check_heads(const CommandLine& line, const ModelForm& form);

}  // namespace seqbench
