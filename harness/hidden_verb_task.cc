// Which verb is hidden? It follows from both nouns' classes together, and from neither alone. A
// test takes pairs of nouns that training never saw together. Without evidence the verb is drawn
// apart from the nouns.
#include <cmath>

#include "harness/grammar.h"
#include "harness/task_definitions.h"

namespace seqbench {
namespace {

void draw(Random& random, const DrawRequest& request, TaskBatch& batch) {
  const Index T = kHiddenVerbWords + request.setting.distance;
  const bool held_out = request.split == Split::kTest;
  batch.start({request.sequences, T});
  for (Index b = 0; b < request.sequences; ++b) {
    Token noun = 0, other = 0;
    do {
      noun = static_cast<Token>(random.below(kNouns));
      other = static_cast<Token>(random.below(kNouns));
    } while (noun == other || is_held_out(noun, other) != held_out);
    batch.tokens.insert(batch.tokens.end(), {kThe, noun, kHidden, kOn, kThe, other});
    for (Index w = 0; w < request.setting.distance; ++w) {
      batch.tokens.push_back(static_cast<Token>(kFirstNeutral + random.below(kNeutrals)));
    }
    const bool given = request.evidence == Evidence::kGiven;
    batch.answer_rows.push_back(b * T + kHiddenVerbAt);
    batch.targets.push_back(
        static_cast<Token>(given ? verb_class(noun, other) : random.below(kVerbClasses)));
  }
}

}  // namespace

Task hidden_verb_task() {
  return {.name = "hidden_verb",
          .setup = "encoder",
          .distance_meaning = "filler words",
          .vocabulary = kGrammarWords,
          .answers = kVerbClasses,
          .causal = false,
          .min_distance = [](Index) { return Index{0}; },
          .sequence_length =
              [](const TaskSetting& setting) { return kHiddenVerbWords + setting.distance; },
          .questions = [](const TaskSetting&) { return Index{1}; },
          .chance = [](const TaskSetting&) { return 1.0 / kVerbClasses; },
          .baseline_loss = [](const TaskSetting&) { return std::log(double(kVerbClasses)); },
          .draw = draw,
          .defaults = {}};
}

}  // namespace seqbench
