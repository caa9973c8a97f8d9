// Tasks as others have posed them, where they differ from ours: for the published settings of
// presets.cc.
#include <algorithm>
#include <cassert>
#include <cmath>

#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"
#include "harness/tasks/task_definitions.h"

namespace seqbench {
namespace {

// ---- first_symbol: all tokens from one alphabet, no query mark (github.com/hurjun/xLSTM).

constexpr Index kSymbols = 16;

void draw_first_symbol(Random& random, const DrawRequest& request, TaskBatch& batch) {
  const Index T = request.setting.distance;
  batch.start({request.sequences, T});
  for (Index b = 0; b < request.sequences; ++b) {
    const std::size_t first = batch.tokens.size();
    for (Index t = 0; t < T; ++t) {
      batch.tokens.push_back(static_cast<Token>(random.below(kSymbols)));
    }
    const bool given = request.evidence == Evidence::kGiven;
    batch.answer_rows.push_back((b + 1) * T - 1);
    batch.targets.push_back(given ? batch.tokens[first]
                                  : static_cast<Token>(random.below(kSymbols)));
  }
}

// ---- copy_all: the copy task with an answer at every step (Arjovsky et al. 2016; Bai et al.
// 2018): a blank up to the mark, then the 10 symbols; accuracy counts those 10.

constexpr Index kCopied = 10, kCopySymbols = 8;
constexpr Token kBlank = 0, kMark = 9;  // symbols 1…8

void draw_copy_all(Random& random, const DrawRequest& request, TaskBatch& batch) {
  const Index blanks = request.setting.distance, T = blanks + 2 * kCopied;
  batch.start({request.sequences, T});
  for (Index b = 0; b < request.sequences; ++b) {
    std::vector<Token> copied;
    for (Index k = 0; k < kCopied; ++k) {
      copied.push_back(static_cast<Token>(1 + random.below(kCopySymbols)));
      const bool given = request.evidence == Evidence::kGiven;
      batch.tokens.push_back(given ? copied.back()
                                   : static_cast<Token>(1 + random.below(kCopySymbols)));
    }
    batch.tokens.insert(batch.tokens.end(), std::size_t(blanks - 1), kBlank);
    batch.tokens.insert(batch.tokens.end(), std::size_t(kCopied + 1), kMark);
    for (Index t = 0; t < T; ++t) batch.answer_rows.push_back(b * T + t);
    batch.targets.insert(batch.targets.end(), std::size_t(T - kCopied), kBlank);
    batch.targets.insert(batch.targets.end(), copied.begin(), copied.end());
  }
}

// ---- associative_recall (github.com/berlino/seq_icl, after Fu et al. 2023): key-value pairs with
// repeats under one random map a sequence, an arrow, one of the keys seen, whichever as often: its
// value. Every next token is a target in training; accuracy counts the last.

constexpr Index kRecallKeys = 9, kRecallValues = 9;  // of a vocabulary of 20
constexpr Token kArrow = kRecallKeys + kRecallValues;

void draw_associative_recall(Random& random, const DrawRequest& request, TaskBatch& batch) {
  const Index pairs = request.setting.distance / 2, T = 2 * pairs + 2;
  batch.start({request.sequences, T});
  const auto value = [&random] {
    return static_cast<Token>(kRecallKeys + random.below(kRecallValues));
  };
  for (Index b = 0; b < request.sequences; ++b) {
    std::vector<Token> map;
    for (Index k = 0; k < kRecallKeys; ++k) map.push_back(value());
    std::vector<Token> tokens, keys;
    for (Index p = 0; p < pairs; ++p) {
      keys.push_back(static_cast<Token>(random.below(kRecallKeys)));
      const bool given = request.evidence == Evidence::kGiven;
      tokens.push_back(keys.back());
      tokens.push_back(given ? map[std::size_t(keys.back())] : value());
    }
    Token asked = 0;
    do {
      asked = static_cast<Token>(random.below(kRecallKeys));
    } while (std::ranges::find(keys, asked) == keys.end());
    tokens.insert(tokens.end(), {kArrow, asked, map[std::size_t(asked)]});
    batch.tokens.insert(batch.tokens.end(), tokens.begin(), tokens.end() - 1);
    batch.targets.insert(batch.targets.end(), tokens.begin() + 1, tokens.end());
    for (Index t = 0; t < T; ++t) batch.answer_rows.push_back(b * T + t);
  }
}

// ---- induction (github.com/berlino/seq_icl, after Fu et al. 2023): symbols, among them once an
// arrow, at any step but the last two; behind them the arrow again: which symbol stood behind it?
// Every next token is a target in training; accuracy counts the last.

constexpr Index kInductionSymbols = 18;  // of a vocabulary of 20
constexpr Token kTrigger = kInductionSymbols;

void draw_induction(Random& random, const DrawRequest& request, TaskBatch& batch) {
  const Index symbols = request.setting.distance, T = symbols + 1;
  batch.start({request.sequences, T});
  const auto symbol = [&random] { return static_cast<Token>(random.below(kInductionSymbols)); };
  for (Index b = 0; b < request.sequences; ++b) {
    std::vector<Token> tokens;
    for (Index t = 0; t < symbols; ++t) tokens.push_back(symbol());
    const auto at = static_cast<std::size_t>(random.below(symbols - 2));
    tokens[at] = kTrigger;
    const Token answer = request.evidence == Evidence::kGiven ? tokens[at + 1] : symbol();
    tokens.insert(tokens.end(), {kTrigger, answer});
    batch.tokens.insert(batch.tokens.end(), tokens.begin(), tokens.end() - 1);
    batch.targets.insert(batch.targets.end(), tokens.begin() + 1, tokens.end());
    for (Index t = 0; t < T; ++t) batch.answer_rows.push_back(b * T + t);
  }
}

}  // namespace

Task first_symbol_task() {
  Task task = first_token_task();
  assert(task.answers == kSymbols);
  task.name = "first_symbol";
  task.vocabulary = kSymbols;
  task.draw = draw_first_symbol;
  return task;
}

Task copy_all_task() {
  return {
      .name = "copy_all",
      .setup = "causal",
      .distance_meaning = "blanks",
      .vocabulary = kMark + 1,
      .answers = kMark + 1,
      .right_answers = kCopySymbols + 1,  // and the blank
      .judged = Judged::kLastTen,
      .min_distance = [](Index) { return Index{1}; },
      .sequence_length = [](const TaskSetting& setting) { return setting.distance + 2 * kCopied; },
      .questions = [](const TaskSetting& setting) { return setting.distance + 2 * kCopied; },
      .chance = [](const TaskSetting&) { return 1.0 / kCopySymbols; },
      .baseline_loss =
          [](const TaskSetting& setting) {
            return kCopied * std::log(double(kCopySymbols)) /
                   double(setting.distance + 2 * kCopied);
          },
      .draw = draw_copy_all,
      .defaults = {}};
}

Task associative_recall_task() {
  return {
      .name = "associative_recall",
      .setup = "causal",
      .evidence_for = EvidenceFor::kPairing,
      .distance_meaning = "tokens of pairs",
      .vocabulary = kArrow + 2,  // the published vocabulary has one token that never occurs
      .answers = kArrow + 2,
      .right_answers = kArrow + 1,
      .judged = Judged::kLastAnswer,
      .min_distance = [](Index) { return Index{2}; },
      .sequence_length = [](const TaskSetting& setting) { return setting.distance / 2 * 2 + 2; },
      .questions = [](const TaskSetting& setting) { return setting.distance / 2 * 2 + 2; },
      .chance = [](const TaskSetting&) { return 1.0 / kRecallValues; },
      .baseline_loss = [](const TaskSetting&) { return std::log(double(kRecallValues)); },
      .draw = draw_associative_recall,
      .defaults = {}};
}

Task induction_task() {
  return {.name = "induction",
          .setup = "causal",
          .evidence_for = EvidenceFor::kPairing,
          .distance_meaning = "symbols before the last arrow",
          .vocabulary = kTrigger + 2,  // the published vocabulary has one token that never occurs
          .answers = kTrigger + 2,
          .right_answers = kTrigger + 1,
          .judged = Judged::kLastAnswer,
          .min_distance = [](Index) { return Index{3}; },
          .sequence_length = [](const TaskSetting& setting) { return setting.distance + 1; },
          .questions = [](const TaskSetting& setting) { return setting.distance + 1; },
          .chance = [](const TaskSetting&) { return 1.0 / kInductionSymbols; },
          .baseline_loss = [](const TaskSetting&) { return std::log(double(kInductionSymbols)); },
          .draw = draw_induction,
          .defaults = {}};
}

}  // namespace seqbench
