// Which verb is hidden? It follows from both nouns' classes together; one of them leaves one in
// four to guess. A test takes pairs of nouns that training never saw together. Without evidence the
// verb is that of two other nouns.
#include <cmath>

#include "harness/tasks/grammar.h"
#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"
#include "harness/tasks/task_definitions.h"

namespace seqbench {
namespace {

struct Nouns {
  Token first, second;
};

Nouns draw_nouns(Random& random, bool held_out) {
  Nouns nouns{};
  do {
    nouns.first = static_cast<Token>(random.below(kNouns));
    nouns.second = static_cast<Token>(random.below(kNouns));
  } while (nouns.first == nouns.second || is_held_out(nouns.first, nouns.second) != held_out);
  return nouns;
}

void draw(Random& random, const DrawRequest& request, TaskBatch& batch) {
  const Index T = kHiddenVerbWords + request.setting.distance;
  const bool held_out = request.split == Split::kTest;
  batch.start({request.sequences, T});
  for (Index b = 0; b < request.sequences; ++b) {
    const Nouns seen = draw_nouns(random, held_out);
    const bool given = request.evidence == Evidence::kGiven;
    const Nouns meant = given ? seen : draw_nouns(random, held_out);
    batch.tokens.insert(batch.tokens.end(), {kThe, seen.first, kHidden, kOn, kThe, seen.second});
    for (Index w = 0; w < request.setting.distance; ++w) {
      batch.tokens.push_back(static_cast<Token>(kFirstNeutral + random.below(kNeutrals)));
    }
    batch.answer_rows.push_back(b * T + kHiddenVerbAt);
    batch.targets.push_back(static_cast<Token>(verb_class(meant.first, meant.second)));
  }
}

// Of the pairs held out, as many for each two classes: two different ones stand for twice as many
// sentences as one class alone.
constexpr double kLikelyShare = 2.0 / (kNounClasses * kNounClasses);
constexpr double kUnlikelyShare = kLikelyShare / 2;

}  // namespace

Task hidden_verb_task() {
  return {.name = "hidden_verb",
          .setup = "encoder",
          .evidence_for = EvidenceFor::kWeights,
          .distance_meaning = "filler words",
          .vocabulary = kGrammarWords,
          .answers = kVerbClasses,
          .causal = false,
          .min_distance = [](Index) { return Index{0}; },
          .sequence_length =
              [](const TaskSetting& setting) { return kHiddenVerbWords + setting.distance; },
          .questions = [](const TaskSetting&) { return Index{1}; },
          .chance = [](const TaskSetting&) { return kLikelyShare; },
          .baseline_loss =
              [](const TaskSetting&) {
                return -(kVerbClasses - kNounClasses) * kLikelyShare * std::log(kLikelyShare) -
                       kNounClasses * kUnlikelyShare * std::log(kUnlikelyShare);
              },
          .draw = draw,
          .defaults = {}};
}

}  // namespace seqbench
