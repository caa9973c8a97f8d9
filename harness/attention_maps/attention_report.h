// What `seqbench attend` prints.
#pragma once

#include <string>
#include <vector>

#include "attention/attention_map.h"
#include "harness/attention_maps/interventions.h"
#include "harness/attention_maps/sentence.h"
#include "harness/tasks/task.h"

namespace seqbench {

/// One sentence read by one model.
struct AttentionReading {
  const Sentence* sentence = nullptr;
  Index seed = 1;
  Index layers = 1, heads = 1;
  std::vector<AttentionMap> maps;  // by layer, then head
  std::string answer;
  bool right = false;

  const AttentionMap& map(Index layer, Index head) const {
    return maps[std::size_t(layer * heads + head)];
  }
};

/// Throws UsageError unless the word, in upper or lower case, stands in each sentence.
void check_word(const std::vector<Sentence>& sentences, const std::string& word);

void print_answer(const AttentionReading& reading);
/// A heat map for each layer and head.
void print_maps(const AttentionReading& reading);
/// For each layer and head: q, k and v of the word, and its score and weight for every key.
void print_explanation(const AttentionReading& reading, const std::string& word);
/// Weights and accuracies of models that differ in their seed alone: median, least and most.
void print_interventions(const Task& task, Index layers,
                         const std::vector<InterventionResult>& results);

}  // namespace seqbench
