// oneDNN's recurrent primitives as one of seqbench's layers, so that the same harness checks and
// times them.
#pragma once

#include <memory>

#include "harness/models/registry.h"

namespace seqbench {

/// The layer that spec.model names: vanilla_rnn (tanh), lstm or lbr_gru, left to right, one layer,
/// on batch-first tensors as they are. Draws and holds its parameters like seqbench's own layer.
///
/// - Weights are packed by reserve(), after which the parameters must not change: nothing that the
///   library could keep from pass to pass is timed.
/// - reserve() for inference runs the library's primitives for inference and for training in turn
///   and keeps the faster one.
/// - Gradients come in the library's layout; parameters() brings them into PyTorch's, so that this
///   is not timed either.
/// - forward() and backward() take exactly the shape that was reserved. There is no decode.
///
/// Throws std::invalid_argument for a model that is not recurrent.
std::unique_ptr<SequenceLayer<float>> make_onednn_layer(const LayerSpec& spec);

/// The library's version, "2.6.3".
std::string onednn_version();

}  // namespace seqbench
