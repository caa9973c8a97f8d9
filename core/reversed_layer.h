// A sequence layer that reads time backwards: y = reverse(L(reverse(x))), where reverse puts the
// last step first. Beside the same kind of layer in time's own order it makes a bidirectional model
// (Schuster & Paliwal 1997): every step then knows what comes before it and what comes after.
//
// Cost: L's, and two passes over memory each way for the reversed copies.
#pragma once

#include <memory>

#include "core/sequence_layer.h"

namespace seqbench {

/// The given layer in reversed time; its parameters' names end in "_reverse", as PyTorch's do. It
/// does not decode, since every step waits for the last one: prefill, decode and rewind throw
/// std::logic_error.
template <typename T>
std::unique_ptr<SequenceLayer<T>> make_reversed(std::unique_ptr<SequenceLayer<T>> layer);

/// What its reserve() allocates beside the given layer's own workspace.
template <typename T>
double reversed_workspace_bytes(SequenceShape shape, Index width, Pass pass);

}  // namespace seqbench
