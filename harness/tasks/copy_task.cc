// Copy memory (Arjovsky, Shah & Bengio 2016, sec. 4.1; Hochreiter & Schmidhuber 1997): 10 symbols,
// T − 1 blanks, a mark, 10 blanks; while those pass, the symbols are to be told in their order.
// Loss and accuracy count these 10 answers alone. The literature takes the mean over all T + 20
// steps, of which the others are soon right: its loss is this one's × 10/(T + 20).
#include <cmath>

#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"
#include "harness/tasks/task_definitions.h"

namespace seqbench {
namespace {

// Symbols 0…7, the blank 8, the mark 9.
constexpr Index kSymbols = 8;
constexpr Token kBlank = kSymbols;
constexpr Token kMark = kBlank + 1;
constexpr Index kCopied = 10;

void draw(Random& random, const DrawRequest& request, TaskBatch& batch) {
  const Index blanks = request.setting.distance, T = blanks + 2 * kCopied;
  batch.start({request.sequences, T});
  for (Index b = 0; b < request.sequences; ++b) {
    for (Index k = 0; k < kCopied; ++k) {
      const auto answer = static_cast<Token>(random.below(kSymbols));
      const bool given = request.evidence == Evidence::kGiven;
      batch.tokens.push_back(given ? answer : static_cast<Token>(random.below(kSymbols)));
      batch.answer_rows.push_back((b + 1) * T - kCopied + k);
      batch.targets.push_back(answer);
    }
    batch.tokens.insert(batch.tokens.end(), static_cast<std::size_t>(blanks - 1), kBlank);
    batch.tokens.push_back(kMark);
    batch.tokens.insert(batch.tokens.end(), kCopied, kBlank);
  }
}

}  // namespace

Task copy_task() {
  return {
      .name = "copy",
      .setup = "causal",
      .distance_meaning = "blanks",
      .vocabulary = kMark + 1,
      .answers = kSymbols,
      .min_distance = [](Index) { return Index{1}; },
      .sequence_length = [](const TaskSetting& setting) { return setting.distance + 2 * kCopied; },
      .questions = [](const TaskSetting&) { return kCopied; },
      .chance = [](const TaskSetting&) { return 1.0 / kSymbols; },
      .baseline_loss = [](const TaskSetting&) { return std::log(double(kSymbols)); },
      .draw = draw,
      .defaults = {}};
}

}  // namespace seqbench
