// What a model of the recall tasks is specified by, and what follows from that alone: its blocks,
// its parameters and its memory, before anything is allocated.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attention/attention_map.h"
#include "core/dropout.h"
#include "core/sequence_layer.h"
#include "harness/models/block.h"
#include "harness/models/variants.h"
#include "harness/tasks/model_form.h"
#include "harness/tasks/task.h"

namespace seqbench {

struct SequenceModelSpec {
  std::string model = "lstm";  // any of the registry's
  Variant variant;
  Index vocabulary = 0;  // of an input of tokens
  Index channels = 0;    // of an input of numbers; one of the two is 0
  Index answers = 1;
  LossKind loss = LossKind::kCrossEntropy;
  double tolerance = 0;  // of a right answer, where the loss is the squared error
  Index longest = 1;     // sequence: the number of positions
  Index time_scale = 0;  // chrono's T; 0: longest
  ModelForm form{.width = 64, .heads = 4};
  bool causal = true;  // a token sees itself and earlier ones; else recurrent blocks read in both
                       // directions
  bool embedding_gradient = false;  // backward tells it at every step of every sequence
  std::uint64_t frozen_seed =
      0;  // of what an ablation draws and nothing trains, each block its own
  AttentionWatch* watch = nullptr;        // of all attention layers, outlives the model; null: none
  std::string kernel = "";                // of a recurrent model's layers; "": the model's default
  NewtonRules newton = {};                // of the kernel of that name
  Factors factors = Factors::kAsTheyAre;  // of all products: layers, MLPs, input and readout

  bool reads_tokens() const { return vocabulary > 0; }
  /// A layer norm behind the last block.
  bool has_final_norm() const { return form.residual || form.final_norm; }
};

/// Whether the model, if it is specified so, can do without an embedding.
bool can_read_directly(const SequenceModelSpec& spec);

/// Throws std::invalid_argument for a model that cannot be, whatever its layers say.
void check(const SequenceModelSpec& spec);

/// Block k of the model. Its layers refer to `dropout`, which may be null, where they have any.
BlockSpec block_spec(const SequenceModelSpec& spec, Index k, const Dropout* dropout);

/// Trainable scalars of the model, those of channels that are always 0 included. A double, as in
/// LayerCost.
double declared_parameters(const SequenceModelSpec& spec);

/// Bytes that the model carries from token to token, one sequence, all layers, when it decodes the
/// token behind so many: states, or keys and values of every token, and the inputs that a
/// convolution still needs.
double carried_bytes(const SequenceModelSpec& spec, Index context);

/// Bytes that reserve() of a SequenceModel<T> with one worker allocates, gradients included,
/// parameters not.
template <typename T>
double declared_workspace_bytes(const SequenceModelSpec& spec, SequenceShape shape, Index answers);

/// Memory of a model beside its blocks and parameters, as core/buffers.h says. N = B·T tokens, A
/// answers.
template <typename Buffer>
struct ModelBuffers {
  std::vector<Buffer> states;    // the input of each block, and the last one's output [B, T, D]
  Buffer dstate, dstate_below;   // gradients of a block's output and of its input [B, T, D]
  Buffer numbers, dnumbers;      // an input of numbers [N, channels]
  Buffer embedding_multipliers;  // of dropout [B, T, D]
  Buffer features, normed;       // the answers' rows, before and after the norm [A, D]
  Buffer mean, rstd;             // of that norm [A]
  Buffer dfeatures;              // [A, D]
  Buffer logits, probabilities;  // [A, answers]
  Buffer values;                 // the right answers of a regression [A]

  std::vector<Buffer*> buffers() {
    std::vector<Buffer*> list{
        &dstate, &dstate_below, &numbers,   &dnumbers, &embedding_multipliers, &features, &normed,
        &mean,   &rstd,         &dfeatures, &logits,   &probabilities,         &values};
    for (Buffer& state : states) list.push_back(&state);
    return list;
  }
};

/// What reserve() allocates beside the blocks, for batches of up to this shape with up to `answers`
/// answers.
ModelBuffers<BufferShape> model_buffers(const SequenceModelSpec& spec, SequenceShape shape,
                                        Index answers);

}  // namespace seqbench
