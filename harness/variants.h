// What can differ between two trainings of the same model: how it starts, how it knows positions,
// and whether the task shows it the answer at all.
//
// To add a variant: an entry in variants.cc's table.
#pragma once

#include <string>
#include <vector>

#include "core/sequence_layer.h"
#include "harness/tasks.h"

namespace seqbench {

enum class Initialisation {
  kPyTorch,  // as the constructors of PyTorch's layers do
  kChrono,   // LSTM: long memories from the start (Tallec & Ollivier 2018, sec. 3)
};

enum class Positions {
  kNone,     // recurrence knows the order by itself
  kLearned,  // a parameter [T, D], N(0, 0.02²), added to the embedding
};

struct Variant {
  std::string name;
  std::vector<std::string> models;  // that have it
  Initialisation initialisation = Initialisation::kPyTorch;
  Positions positions = Positions::kNone;
  Evidence evidence = Evidence::kGiven;  // removed: a control that must stay at chance
};

/// The variant of that name as this model has it, or null when it has none.
const Variant* find_variant(const std::string& model, const std::string& name);

/// Every variant's name once.
std::vector<std::string> variant_names();
/// Those that at least one of these models has.
std::vector<std::string> variant_names(const std::vector<std::string>& models);

/// Draws the parameters of a new LSTM for dependencies over up to `longest` ≥ 2 steps:
///
///   weight_ih as PyTorch,   weight_hh [4H, H] semi-orthogonal,   all biases 0 but
///   b_if ~ log U(1, longest − 1),   b_ii = −b_if
///
/// The forget gate of a unit so keeps its cell for a time of its own, between 1 and `longest`
/// steps, and the input gate lets in what that leaves room for.
template <typename T>
void initialise_chrono(Random& random, SequenceLayer<T>& lstm, Index longest);

}  // namespace seqbench
