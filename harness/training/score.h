// How many answers of a test, or of a stretch of training, are right.
#pragma once

#include <bit>
#include <map>
#include <optional>
#include <vector>

#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"

namespace seqbench {

/// The share of right answers among those that stand between so many steps behind their evidence.
struct GapScore {
  Index first_gap = 0, last_gap = 0;
  Index answers = 0;
  double accuracy = 0;
};

/// Sums over the answers of one or several batches.
class Score {
 public:
  explicit Score(Judged judged) : judged_(judged) {}

  /// One batch: its mean loss, and for each answer whether it was right.
  void add(const TaskBatch& batch, double mean_loss, const std::vector<bool>& right) {
    loss_ += mean_loss * static_cast<double>(batch.answers());
    answers_ += batch.answers();
    for (Index a = 0; a < batch.answers(); ++a) {
      if (!counts(batch, a)) continue;
      ++counted_;
      correct_ += right[std::size_t(a)];
    }
    for (std::size_t a = 0; batch.minimal_pairs && a + 1 < right.size(); a += 2) {
      ++pairs_;
      correct_pairs_ += right[a] && right[a + 1];
    }
  }
  /// How many answers accuracy() counts.
  Index counted() const { return counted_; }
  double mean_loss() const { return loss_ / static_cast<double>(answers_); }
  double accuracy() const { return static_cast<double>(correct_) / static_cast<double>(counted_); }
  /// The share of minimal pairs with both answers right; nothing where there were none.
  std::optional<double> pair_accuracy() const {
    if (pairs_ == 0) return std::nullopt;
    return static_cast<double>(correct_pairs_) / static_cast<double>(pairs_);
  }

 private:
  bool counts(const TaskBatch& batch, Index a) const {
    switch (judged_) {
      case Judged::kEveryAnswer:
        return true;
      case Judged::kLastAnswer:
        return batch.is_last_answer(a);
      case Judged::kLastTen:
        return batch.is_among_last(a, 10);
    }
    return true;
  }

  Judged judged_;
  double loss_ = 0;
  Index answers_ = 0, counted_ = 0, correct_ = 0, pairs_ = 0, correct_pairs_ = 0;
};

/// Right answers by gap, counted from one power of two to the next.
class ScoreByGap {
 public:
  void add(const std::vector<bool>& right, const std::vector<Index>& gaps) {
    for (std::size_t a = 0; a < gaps.size(); ++a) {
      auto& [answers, correct] = counts_[std::bit_floor(static_cast<std::size_t>(gaps[a]))];
      ++answers;
      correct += right[a];
    }
  }
  std::vector<GapScore> scores() const {
    std::vector<GapScore> list;
    for (const auto& [first_gap, count] : counts_) {
      list.push_back({.first_gap = Index(first_gap),
                      .last_gap = Index(2 * first_gap - 1),
                      .answers = count.answers,
                      .accuracy = double(count.correct) / double(count.answers)});
    }
    return list;
  }

 private:
  struct Count {
    Index answers = 0, correct = 0;
  };
  std::map<std::size_t, Count> counts_;  // by the smallest gap counted
};

}  // namespace seqbench
