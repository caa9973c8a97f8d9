// What can differ between two trainings of the same model: how it starts, how it knows positions,
// whether a convolution stands before its layers, and whether the task shows it the answer at all.
//
// To add a variant: an entry in variants.cc's table, and its name in the registry's row of each
// model that has it. Each has a second form with the convolution, "learned" and "learned+conv3".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "attention/ablation.h"
#include "core/sequence_layer.h"
#include "harness/tasks/task.h"

namespace seqbench {

enum class Initialisation {
  kPyTorch,     // as the constructors of PyTorch's layers do
  kForgetOne,   // LSTM, GRU: a bias of 1 on the gate that keeps the state (Gers et al. 2000;
                // Jozefowicz et al. 2015)
  kChrono,      // LSTM, GRU, minGRU: long memories from the start (Tallec & Ollivier 2018, sec. 3)
  kOrthogonal,  // Elman: weight_hh keeps the state's norm (Saxe et al. 2013; Arjovsky et al. 2016)
};

enum class Positions {
  kNone,        // recurrence knows the order by itself; attention does not
  kLearned,     // a parameter [T, D], N(0, 0.02²), added to the embedding (Gehring et al. 2017)
  kSinusoidal,  // fixed waves, added to the embedding (Vaswani et al. 2017, sec. 3.5)
  kRotary,      // queries and keys turned by their position in every layer (Su et al. 2021)
};

struct Variant {
  std::string name;
  Initialisation initialisation = Initialisation::kPyTorch;
  Positions positions = Positions::kNone;
  // Controls of attention. Both are how the layer computes and no start, so that neither another
  // initialiser nor training can undo them (AttentionOptions).
  bool uniform_weights = false;          // every token seen has the same weight
  Index window = 0;                      // a token sees itself and window − 1 neighbours; 0: all
  Evidence evidence = Evidence::kGiven;  // removed: a control that must stay at chance
  Index taps = 0;                        // of a causal convolution before each layer; 0: none
  bool linear_candidate = false;         // minGRU: g(v) = v
  Ablation ablation = Ablation::kNone;  // attention: of no variant's name, set by `recall --ablate`
};

/// The variant of that name as this model has it, or nothing when it has none. "conv3" is the
/// model's first variant with the convolution, and comes under that variant's full name. Throws
/// std::invalid_argument where the model's row in the registry names one that is none of the table.
std::optional<Variant> find_variant(const std::string& model, const std::string& name);

/// Every variant's name once: the table's, then "conv3", then each with "+conv3".
std::vector<std::string> variant_names();
/// Those that at least one of these models has.
std::vector<std::string> variant_names(const std::vector<std::string>& models);

/// The variants in which a recurrent layer itself starts in another way, the plain one first.
std::vector<std::string> start_names();

/// Draws all parameters of a new layer; `longest` as initialise_chrono() says.
template <typename T>
void initialise(Random& random, SequenceLayer<T>& layer, Initialisation initialisation,
                Index longest);

/// Draws as PyTorch, but sets the input bias of the gate that keeps the state to 1 and its
/// recurrent bias to 0: an LSTM's forget gate, a GRU's update gate.
template <typename T>
void initialise_forget_one(Random& random, SequenceLayer<T>& layer);

/// Draws as PyTorch, but weight_hh [H, H] orthogonal.
template <typename T>
void initialise_orthogonal(Random& random, SequenceLayer<T>& elman);

/// Draws the parameters of a new LSTM, GRU or minGRU for dependencies over up to `longest` ≥ 2
/// steps:
///
///   weight_ih as PyTorch,   weight_hh [4H or 3H, H] semi-orthogonal,   all biases 0 but
///   b_if ~ log U(1, longest − 1),   b_ii = −b_if        (LSTM, eq. 16)
///   b_iz ~ log U(1, longest − 1)                        (GRU; the paper's 1 − z is our z)
///   b_z ~ −log U(1, longest − 1)                        (minGRU, without weight_hh)
///
/// The gate that keeps the state so keeps that of each unit for a time of its own, between 1 and
/// `longest` steps; an LSTM's input gate lets in what that leaves room for, as a GRU's and a
/// minGRU's do anyway.
template <typename T>
void initialise_chrono(Random& random, SequenceLayer<T>& layer, Index longest);

}  // namespace seqbench
