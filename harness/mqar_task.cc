// Multi-query associative recall (Arora et al. 2023, sec. 4, app. E): N key-value pairs, then each
// key once more at a step of its own among blanks, where its value is asked for. The steps are
// drawn uniformly (the paper prefers short gaps, by a power law). Without evidence the values stand
// beside the keys in another random order, so that which N they are stays known: chance is 1/N
// either way.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "harness/task_definitions.h"

namespace seqbench {
namespace {

// The blank 0, keys 1…127, values 128…255: a vocabulary of 256.
constexpr Token kBlank = 0;
constexpr Token kFirstKey = 1;
constexpr Index kKeys = 127;
constexpr Token kFirstValue = 128;
constexpr Index kValues = 128;
// A pair for every 16 tokens: Zoology's (64, 4), (128, 8), (256, 16).
constexpr Index kTokensPerPair = 16;

Index pairs_of(const TaskSetting& setting) {
  return setting.pairs > 0 ? setting.pairs : std::min(setting.distance / kTokensPerPair, kKeys);
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

void draw(Random& random, const DrawRequest& request, TaskBatch& batch) {
  const Index T = request.setting.distance, N = pairs_of(request.setting);
  batch.start({request.sequences, T});
  for (Index b = 0; b < request.sequences; ++b) {
    const auto keys = distinct(random, N, kFirstKey, kKeys);
    const auto values = distinct(random, N, kFirstValue, kValues);
    // Which value stands beside each key, and at which step each is asked for.
    auto beside = distinct(random, N, 0, N);
    if (request.evidence == Evidence::kGiven) std::iota(beside.begin(), beside.end(), 0);
    const auto steps = distinct(random, N, static_cast<Token>(2 * N), T - 2 * N);

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

}  // namespace

Task mqar_task() {
  return {.name = "mqar",
          .setup = "causal",
          .distance_meaning = "sequence length",
          .vocabulary = kFirstValue + kValues,
          .answers = kFirstValue + kValues,
          .pairs = pairs_of,
          .most_pairs = kKeys,
          // The pairs, and a step for each question; two pairs at least, or nothing is to choose.
          .min_distance = [](Index pairs) { return pairs > 0 ? 3 * pairs : 2 * kTokensPerPair; },
          .sequence_length = [](const TaskSetting& setting) { return setting.distance; },
          .questions = pairs_of,
          .chance = [](const TaskSetting& setting) { return 1.0 / double(pairs_of(setting)); },
          .baseline_loss =
              [](const TaskSetting& setting) { return std::log(double(pairs_of(setting))); },
          .draw = draw,
          .defaults = {}};
}

}  // namespace seqbench
