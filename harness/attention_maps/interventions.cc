#include "harness/attention_maps/interventions.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "core/eigen_view.h"
#include "harness/tasks/grammar.h"
#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"
#include "harness/training/training_settings.h"

namespace seqbench {
namespace {

// A stream of its own, beside those of training.cc.
constexpr std::uint64_t kInterventionData = 16;
constexpr Index kSentencesAtOnce = 50;  // even, so that minimal pairs stay together

/// Where the two nouns of sequence b stand: the right one first where one of them is right.
std::pair<Index, Index> nouns_of(const Task& task, const TaskBatch& batch, Index b) {
  const Token first = batch.tokens[std::size_t(b * batch.shape.steps + kNounAt)];
  const bool second_is_right = task.answers == kNouns && batch.targets[std::size_t(b)] != first;
  return second_is_right ? std::pair(kOtherNounAt, kNounAt) : std::pair(kNounAt, kOtherNounAt);
}

/// Adds a batch's sums over its sequences.
void add_weights(const TrainingSettings& settings, const TaskBatch& batch,
                 const AttentionWatch& watch, WeightStatistics& sums) {
  const auto [B, T] = std::pair(batch.shape.batch, batch.shape.steps);
  const Index H = settings.form.heads;
  const bool one_is_right = settings.task->answers == kNouns;
  for (Index b = 0; b < B; ++b) {
    const Index query = batch.answer_rows[std::size_t(b)] % T;
    Eigen::RowVectorXd weights = Eigen::RowVectorXd::Zero(T);
    for (Index h = 0; h < H; ++h) {
      const Index last = (settings.form.layers - 1) * B * H + b * H + h;
      weights += as_eigen(watch.maps[std::size_t(last)].weights.matrix()).row(query) / double(H);
    }
    const auto [noun, other] = nouns_of(*settings.task, batch, b);
    Index largest = 0;
    weights.maxCoeff(&largest);
    sums.noun_weight += weights[noun];
    sums.other_noun_weight += weights[other];
    sums.largest_share += largest == noun || (!one_is_right && largest == other);
    sums.outweighs_share += weights[noun] > weights[other];
  }
}

/// One word to hide: what it is called, where it stands in a sequence, and from whom.
struct Hiding {
  std::string name;
  std::optional<Index> at;            // the same in all sequences
  std::function<Index(Index b)> key;  // in sequence b; none: nothing is hidden
  bool from_asking_alone = false;     // else from all
};

/// The word that asks stands at the same place in every sequence of a batch.
Index asking_index(const TaskBatch& batch) { return batch.answer_rows.front() % batch.shape.steps; }

std::vector<Hiding> all_hidings(const Task& task, const TaskBatch& batch) {
  const auto fixed = [](const std::string& name, Index at) {
    return Hiding{name, at, [at](Index) { return at; }};
  };
  const auto word = [&](Index at) {
    return fixed(grammar_words()[std::size_t(batch.tokens[std::size_t(at)])], at);
  };
  const bool coreference = task.answers == kNouns;
  const auto nouns = [&task, &batch](Index b) { return nouns_of(task, batch, b); };
  const Hiding noun{coreference ? "right noun" : "first noun",
                    coreference ? std::nullopt : std::optional(kNounAt),
                    [=](Index b) { return nouns(b).first; }};
  const Hiding other{coreference ? "other noun" : "second noun",
                     coreference ? std::nullopt : std::optional(kOtherNounAt),
                     [=](Index b) { return nouns(b).second; }};
  const auto edge = [](Hiding hiding) {
    hiding.from_asking_alone = true;
    return hiding;
  };
  std::vector<Hiding> list = {
      {"nothing", std::nullopt, nullptr}, noun, other, edge(noun), edge(other), word(0)};
  if (coreference) {
    const Index it = batch.shape.steps - kItFromEnd;
    list.insert(list.end(),
                {word(kNounAt + 1), fixed("verb", kNounAt + 2), word(kOtherNounAt - 1),
                 word(it - 1), word(it), word(it + 1), word(it + 2), fixed("adjective", it + 3)});
  } else {
    list.insert(list.end(), {word(kHiddenVerbAt), word(kHiddenVerbAt + 1), word(kOtherNounAt - 1)});
  }
  return list;
}

}  // namespace

InterventionResult intervene(const TrainingSettings& settings, Index sentences,
                             SequenceModel<float>& model, AttentionWatch& watch) {
  const ThreadTeam team(1);
  Random random(static_cast<std::uint64_t>(settings.seed), kInterventionData);
  InterventionResult result{.sentences = sentences, .weights = {}, .interventions = {}};
  WeightStatistics& weights = result.weights;
  TaskBatch batch;
  for (Index left = sentences; left > 0; left -= batch.shape.batch) {
    const Index count = std::min(left, kSentencesAtOnce);
    settings.task->draw(
        random, {.sequences = count, .setting = settings.task_setting(), .split = Split::kTest},
        batch);
    model.reserve(batch.shape, batch.answers(), team.size());
    const auto hidings = all_hidings(*settings.task, batch);
    const Index asking = asking_index(batch);
    const std::string asking_word = grammar_words()[std::size_t(batch.tokens[std::size_t(asking)])];
    result.interventions.resize(hidings.size());
    for (std::size_t k = 0; k < hidings.size(); ++k) {
      const Hiding& hiding = hidings[k];
      watch.hidden.keys.assign(batch.tokens.size(), false);
      for (Index b = 0; hiding.key && b < count; ++b) {
        watch.hidden.keys[std::size_t(b * batch.shape.steps + hiding.key(b))] = true;
      }
      watch.hidden.from.assign(std::size_t(hiding.from_asking_alone ? count : 0), asking);
      watch.maps.clear();
      watch.keeps_maps = !hiding.key;
      model.forward(team, batch, Keep::kNothing);
      if (!hiding.key) add_weights(settings, batch, watch, weights);
      Intervention& intervention = result.interventions[k];
      intervention.hidden = hiding.name;
      intervention.key_index = hiding.at;
      if (hiding.key) intervention.hidden_from = hiding.from_asking_alone ? asking_word : "all";
      intervention.accuracy += double(std::ranges::count(model.right(), true));
    }
  }
  watch = {};
  for (Intervention& intervention : result.interventions) {
    intervention.accuracy /= double(sentences);
  }
  for (double* sum : {&weights.noun_weight, &weights.other_noun_weight, &weights.largest_share,
                      &weights.outweighs_share}) {
    *sum /= double(sentences);
  }
  return result;
}

}  // namespace seqbench
