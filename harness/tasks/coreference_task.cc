// What does "it" stand for? Two nouns of different classes in random order, and an adjective that
// fits one of them: neither the first noun nor the nearest is right more often than every other
// time. The filler holds up to three further nouns, of a class that is neither's. A test takes
// pairs of nouns that training never saw together, in minimal pairs: two sentences that differ in
// the adjective alone. Without evidence the adjective fits the one or the other noun at random.
#include <algorithm>
#include <cmath>

#include "harness/tasks/grammar.h"
#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"
#include "harness/tasks/task_definitions.h"

namespace seqbench {
namespace {

constexpr Index kMostAttractors = 3;

struct Draft {
  Token nouns[2];
  Token verb;
  std::vector<Token> filler;
};

Token noun_of_class(Random& random, Index c) {
  return static_cast<Token>(c * kNounsInClass + random.below(kNounsInClass));
}

/// Any class but those two.
Index third_class(Random& random, Index one, Index other) {
  Index c = 0;
  do c = random.below(kNounClasses);
  while (c == one || c == other);
  return c;
}

std::vector<Token> draw_filler(Random& random, Index words, Index attractor_class) {
  std::vector<Token> filler;
  for (Index w = 0; w < words; ++w) {
    filler.push_back(static_cast<Token>(kFirstNeutral + random.below(kNeutrals)));
  }
  // Two may be drawn for one place, where the later one stays.
  const Index attractors = random.below(std::min(kMostAttractors, words) + 1);
  for (Index a = 0; a < attractors; ++a) {
    filler[std::size_t(random.below(words))] = noun_of_class(random, attractor_class);
  }
  return filler;
}

/// Everything but the adjective.
Draft draw_draft(Random& random, const DrawRequest& request) {
  Draft draft;
  const bool held_out = request.split == Split::kTest;
  Token& first = draft.nouns[0];
  Token& second = draft.nouns[1];
  do {
    first = static_cast<Token>(random.below(kNouns));
    second = static_cast<Token>(random.below(kNouns));
  } while (noun_class(first) == noun_class(second) || is_held_out(first, second) != held_out);
  draft.verb = static_cast<Token>(kFirstVerb + random.below(kVerbs));
  const Index attractor_class = third_class(random, noun_class(first), noun_class(second));
  draft.filler = draw_filler(random, request.setting.distance, attractor_class);
  return draft;
}

/// An adjective that fits this noun.
Token adjective_for(Random& random, Token noun) {
  return static_cast<Token>(kFirstAdjective + noun_class(noun) * kAdjectivesInClass +
                            random.below(kAdjectivesInClass));
}

void append(const Draft& draft, Token adjective, std::vector<Token>& tokens) {
  tokens.insert(tokens.end(), {kThe, draft.nouns[0], kDidnt, draft.verb, kThe, draft.nouns[1]});
  tokens.insert(tokens.end(), draft.filler.begin(), draft.filler.end());
  tokens.insert(tokens.end(), {kBecause, kIt, kWas, kToo, adjective});
}

/// `answer_from_end`: how far before the end of a sentence its answer is read.
void draw(Random& random, const DrawRequest& request, TaskBatch& batch, Index answer_from_end) {
  const Index T = kCoreferenceWords + request.setting.distance;
  batch.start({request.sequences, T});
  batch.minimal_pairs = request.split == Split::kTest;
  Draft draft;
  Index meant = 0;  // which noun
  for (Index b = 0; b < request.sequences; ++b) {
    if (batch.minimal_pairs && b % 2 == 1) {
      meant = 1 - meant;
    } else {
      draft = draw_draft(random, request);
      meant = random.below(2);
    }
    const Index fitting = request.evidence == Evidence::kGiven ? meant : random.below(2);
    append(draft, adjective_for(random, draft.nouns[fitting]), batch.tokens);
    batch.answer_rows.push_back((b + 1) * T - answer_from_end);
    batch.targets.push_back(draft.nouns[meant]);
  }
}

Task in_setup(const std::string& setup) {
  return {.name = "coreference",
          .setup = setup,
          .distance_meaning = "filler words",
          .vocabulary = kGrammarWords,
          .answers = kNouns,
          .min_distance = [](Index) { return Index{0}; },
          .sequence_length =
              [](const TaskSetting& setting) { return kCoreferenceWords + setting.distance; },
          .questions = [](const TaskSetting&) { return Index{1}; },
          .chance = [](const TaskSetting&) { return 0.5; },
          .baseline_loss = [](const TaskSetting&) { return std::log(2.0); },
          .defaults = {}};
}

}  // namespace

Task coreference_task() {
  Task task = in_setup("causal");
  task.draw = [](Random& random, const DrawRequest& request, TaskBatch& batch) {
    draw(random, request, batch, 1);
  };
  return task;
}

Task coreference_encoder_task() {
  Task task = in_setup("encoder");
  task.causal = false;
  task.evidence_for = EvidenceFor::kWeights;
  task.draw = [](Random& random, const DrawRequest& request, TaskBatch& batch) {
    draw(random, request, batch, kItFromEnd);
  };
  return task;
}

}  // namespace seqbench
