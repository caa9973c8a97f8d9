// Selective copying (Gu & Dao 2023, "Mamba", sec. 4.1.1, app. E.1): symbols at random steps among
// blanks, then a mark for each of them, while they are to be told in their order. The gaps between
// the symbols differ from sequence to sequence, so that what is kept has to be chosen by what it
// is; copying (copy_task.cc) can be done by counting steps. Small: 4 symbols, where the source has
// 16 among 4,096 tokens; its vocabulary of 16 has 14 symbols, the blank and the mark.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/random.h"
#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"
#include "harness/tasks/task_definitions.h"

namespace seqbench {
namespace {

// Symbols 0…13, the blank 14, the mark 15.
constexpr Index kSymbols = 14;
constexpr Token kBlank = kSymbols;
constexpr Token kMark = kBlank + 1;
constexpr Index kCopied = 4;

/// `kCopied` different steps of [0, steps), ascending.
std::vector<Index> places(Random& random, Index steps) {
  std::vector<Index> all(static_cast<std::size_t>(steps));
  std::iota(all.begin(), all.end(), Index{0});
  shuffle(random, all);
  all.resize(static_cast<std::size_t>(kCopied));
  std::ranges::sort(all);
  return all;
}

void draw(Random& random, const DrawRequest& request, TaskBatch& batch) {
  const Index tokens = request.setting.distance, T = tokens + kCopied;
  const bool given = request.evidence == Evidence::kGiven;
  const auto symbol = [&random] { return static_cast<Token>(random.below(kSymbols)); };
  batch.start({request.sequences, T});
  for (Index b = 0; b < request.sequences; ++b) {
    const std::size_t first = batch.tokens.size();
    batch.tokens.insert(batch.tokens.end(), static_cast<std::size_t>(tokens), kBlank);
    batch.tokens.insert(batch.tokens.end(), static_cast<std::size_t>(kCopied), kMark);
    const std::vector<Index> at = places(random, tokens);
    for (Index k = 0; k < kCopied; ++k) {
      const Token answer = symbol();
      batch.tokens[first + std::size_t(at[std::size_t(k)])] = given ? answer : symbol();
      batch.answer_rows.push_back((b + 1) * T - kCopied + k);
      batch.targets.push_back(answer);
    }
  }
}

}  // namespace

Task selective_copy_task() {
  return {.name = "selective_copy",
          .setup = "causal",
          .distance_meaning = "tokens before the marks",
          .vocabulary = kMark + 1,
          .answers = kSymbols,
          .min_distance = [](Index) { return kCopied; },
          .sequence_length = [](const TaskSetting& setting) { return setting.distance + kCopied; },
          .questions = [](const TaskSetting&) { return kCopied; },
          .chance = [](const TaskSetting&) { return 1.0 / kSymbols; },
          .baseline_loss = [](const TaskSetting&) { return std::log(double(kSymbols)); },
          .draw = draw,
          .defaults = {}};
}

}  // namespace seqbench
