// What a weight of attention is worth: how often the word that asks weighs the right noun most, and
// how much of the accuracy is lost when one word's key is hidden in every layer, from every query
// or from the word that asks alone. The first tells what the model needs, the second what it reads
// there and not on the way over another word.
// A weight is evidence for what a model uses only together with that loss: a layer can weigh a word
// and make nothing of it, or find the answer where no weight points.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "attention/attention_map.h"
#include "harness/models/sequence_model.h"
#include "harness/training/training_settings.h"

namespace seqbench {

/// Test sentences with one word hidden, or none.
struct Intervention {
  std::string hidden;              // "nothing", a word's part in the sentence, or the word itself
  std::optional<Index> key_index;  // where it stands, the same in all sentences; empty where it
                                   // stands now here, now there
  std::string hidden_from;         // "all" words, or the one that asks; empty: nothing is hidden
  double accuracy = 0;
};

/// Mean weights and shares over test sentences. The weights are those of the word that asks ("it",
/// or the hidden verb) in the last layer, averaged over its heads. In coreference the nouns are the
/// right one and the other, in hidden_verb the first and the second.
struct WeightStatistics {
  double noun_weight = 0, other_noun_weight = 0;
  double largest_share = 0;    // of sentences whose largest weight is on the right noun; in
                               // hidden_verb, on either of them
  double outweighs_share = 0;  // of sentences that weigh the first of both more than the other
};

struct InterventionResult {
  Index sentences = 0;
  WeightStatistics weights;                 // with nothing hidden
  std::vector<Intervention> interventions;  // nothing hidden first
};

/// Test sentences of the settings' task and distance, the same for all models of a seed. The task
/// is one of the grammar in set-up "encoder", and `model` was made with `watch`; it is reserved
/// here.
InterventionResult intervene(const TrainingSettings& settings, Index sentences,
                             SequenceModel<float>& model, AttentionWatch& watch);

}  // namespace seqbench
