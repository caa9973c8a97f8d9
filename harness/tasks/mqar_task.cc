// Multi-query associative recall (Arora et al. 2023, sec. 4, app. E): N key-value pairs, then each
// key once more at a step of its own among blanks, where its value is asked for.
//
//   mqar     those steps are drawn uniformly; a vocabulary of 256
//   mqar_8k  as published: an even number of steps behind the pairs, drawn by a power law that
//            prefers short gaps (exponent −0.99); a vocabulary of 8192
//
// Without evidence the values stand beside the keys in another random order, so that which N they
// are stays known: chance is 1/N either way.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"
#include "harness/tasks/task_definitions.h"

namespace seqbench {
namespace {

// The blank 0, keys from 1, values from half of the vocabulary.
constexpr Token kBlank = 0;
constexpr Token kFirstKey = 1;
constexpr Index kVocabulary = 256, kPublishedVocabulary = 8192;
// A pair for every 16 tokens: Zoology's (64, 4), (128, 8), (256, 16).
constexpr Index kTokensPerPair = 16;

constexpr Index keys_of(Index vocabulary) { return vocabulary / 2 - 1; }

Index pairs_of(const TaskSetting& setting) {
  const Index pairs = setting.distance / kTokensPerPair;
  return setting.pairs > 0 ? setting.pairs : std::min(pairs, keys_of(kVocabulary));
}

/// `count` different numbers of [first, first + range) in random order.
std::vector<Token> distinct(Random& random, Index count, Token first, Index range) {
  std::vector<Token> numbers(static_cast<std::size_t>(range));
  std::iota(numbers.begin(), numbers.end(), first);
  for (Index i = 0; i < count; ++i) {
    std::swap(numbers[std::size_t(i)], numbers[std::size_t(i + random.below(range - i))]);
  }
  numbers.resize(static_cast<std::size_t>(count));
  return numbers;
}

/// `count` different steps of [first, end): first + 2·g, g by a power law on g + 1.
std::vector<Token> power_law_steps(Random& random, Index count, Token first, Index end) {
  constexpr double kExponent = -0.99;
  const Index places = (end - first) / 2;
  assert(places >= count);
  std::vector<double> cumulated;
  for (Index g = 0; g < places; ++g) {
    cumulated.push_back((g > 0 ? cumulated.back() : 0) + std::pow(double(g + 1), kExponent));
  }
  std::vector<Token> steps;
  while (Index(steps.size()) < count) {
    const double u = random.uniform() * cumulated.back();
    const auto g = std::ranges::upper_bound(cumulated, u) - cumulated.begin();
    const Token step = first + static_cast<Token>(2 * g);
    if (std::ranges::find(steps, step) == steps.end()) steps.push_back(step);
  }
  return steps;
}

using DrawSteps = std::vector<Token> (*)(Random& random, Index count, Token first, Index end);

template <Index vocabulary, DrawSteps draw_steps>
void draw(Random& random, const DrawRequest& request, TaskBatch& batch) {
  constexpr Token kFirstValue = vocabulary / 2;
  const Index T = request.setting.distance, N = pairs_of(request.setting);
  batch.start({request.sequences, T});
  for (Index b = 0; b < request.sequences; ++b) {
    const auto keys = distinct(random, N, kFirstKey, keys_of(vocabulary));
    const auto values = distinct(random, N, kFirstValue, vocabulary - kFirstValue);
    // Which value stands beside each key, and at which step each is asked for.
    auto beside = distinct(random, N, 0, N);
    if (request.evidence == Evidence::kGiven) std::iota(beside.begin(), beside.end(), 0);
    const auto steps = draw_steps(random, N, static_cast<Token>(2 * N), T);

    std::vector<Token> tokens(static_cast<std::size_t>(T), kBlank);
    std::vector<Index> asked(static_cast<std::size_t>(T), -1);  // the pair asked for at each step
    for (std::size_t n = 0; n < std::size_t(N); ++n) {
      tokens[2 * n] = keys[n];
      tokens[2 * n + 1] = values[std::size_t(beside[n])];
      tokens[std::size_t(steps[n])] = keys[n];
      asked[std::size_t(steps[n])] = Index(n);
    }
    batch.tokens.insert(batch.tokens.end(), tokens.begin(), tokens.end());
    for (Index t = 2 * N; t < T; ++t) {
      const Index n = asked[std::size_t(t)];
      if (n < 0) continue;
      batch.answer_rows.push_back(b * T + t);
      batch.targets.push_back(values[std::size_t(n)]);
      batch.gaps.push_back(t - 2 * n);
    }
  }
}

std::vector<Token> uniform_steps(Random& random, Index count, Token first, Index end) {
  return distinct(random, count, first, end - first);
}

Task mqar(const std::string& name, Index vocabulary) {
  return {.name = name,
          .setup = "causal",
          .evidence_for = EvidenceFor::kPairing,
          .distance_meaning = "sequence length",
          .vocabulary = vocabulary,
          .answers = vocabulary,
          .right_answers = vocabulary / 2,  // values; the others are blank and keys
          .pairs = pairs_of,
          .most_pairs = keys_of(kVocabulary),
          .sequence_length = [](const TaskSetting& setting) { return setting.distance; },
          .questions = pairs_of,
          .chance = [](const TaskSetting& setting) { return 1.0 / double(pairs_of(setting)); },
          .baseline_loss =
              [](const TaskSetting& setting) { return std::log(double(pairs_of(setting))); },
          .defaults = {}};
}

}  // namespace

Task mqar_task() {
  Task task = mqar("mqar", kVocabulary);
  // The pairs, and a step for each question; two pairs at least, or nothing is to choose.
  task.min_distance = [](Index pairs) { return pairs > 0 ? 3 * pairs : 2 * kTokensPerPair; };
  task.draw = draw<kVocabulary, uniform_steps>;
  return task;
}

Task mqar_8k_task() {
  Task task = mqar("mqar_8k", kPublishedVocabulary);
  // Every other step can hold a question.
  task.min_distance = [](Index pairs) { return pairs > 0 ? 4 * pairs : 2 * kTokensPerPair; };
  task.draw = draw<kPublishedVocabulary, power_law_steps>;
  return task;
}

}  // namespace seqbench
