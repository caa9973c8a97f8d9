// A text model as a .safetensors file: a training that can go on from it, or a trained model to
// write with.
//
// Tensors: the parameters under their names; of a training under way also AdamW's moments, under
// "first_moment." and "second_moment." before those names, and of a stateful one the states that
// the next segments start from, "carried_state" [B, S]. Metadata: the settings of the training, the
// text's sum and alphabet, and where it stands. The generator's position is the number of
// steps: each step draws from a stream of its own (text_training.h).
#pragma once

#include <filesystem>
#include <string>

#include "core/optimiser.h"
#include "harness/files/safetensors.h"
#include "harness/models/sequence_model.h"
#include "harness/text/text_settings.h"
#include "harness/text/vocabulary.h"

namespace seqbench {

/// Where a training stands, beside its parameters and the optimiser's state.
struct TextProgress {
  Index step = 0;           // steps taken
  double seconds = 0;       // of training
  double warmup_share = 0;  // of the budget that was spent when the warm-up ended
};

/// What a file tells beside its tensors.
struct TextModelFacts {
  TextSettings settings;
  Vocabulary vocabulary;
  std::string text_sha256;
  TextProgress at;
  bool is_finished = false;        // without moments
  std::vector<Index> places = {};  // of a stateful training's streams, while it is under way
};

/// "attention-rotary-seed1.safetensors".
std::string text_model_file_name(const TextSettings& settings);

/// Writes the file, in the place of one of that name in one step; unless the training is finished
/// `state` too and, where it is not null, the carried state. Throws FileError.
void write_text_model(const std::filesystem::path& path, const TextModelFacts& facts,
                      SequenceModel<float>& model, const AdamWState<float>& state,
                      const Tensor<float>* carried = nullptr);

/// Throws FileError that names what is missing or wrong: a file of something else or of a newer
/// version, sizes that no model has.
TextModelFacts text_model_facts(const TensorFile& file);

/// Throws FileError where the file is of another training than `facts` say: other settings, another
/// text.
void refuse_other_training(const TensorFile& file, const TextModelFacts& facts);

/// Gives a model, made for the facts' settings, the file's parameters, and the state, unless it is
/// null, its moments. Throws FileError when one is missing or of another shape, or when the file
/// has a tensor besides.
void load_text_model(const TensorFile& file, const TextModelFacts& facts,
                     SequenceModel<float>& model, AdamWState<float>* state);

/// Assigns the carried state of a stateful training under way. Throws FileError.
void load_carried_state(const TensorFile& file, Tensor<float>& carried);

}  // namespace seqbench
