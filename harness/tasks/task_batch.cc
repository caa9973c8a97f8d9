#include "harness/tasks/task_batch.h"

#include <algorithm>

namespace seqbench {

void TaskBatch::start(SequenceShape new_shape) {
  *this = {};
  shape = new_shape;
}

void TaskBatch::take(const TaskBatch& batch, Part sequences) {
  const auto copy = [](const auto& from, auto& to, Index first, Index count) {
    if (from.empty()) return to.clear();
    to.assign(from.begin() + first, from.begin() + first + count);
  };
  const Index T = batch.shape.steps;
  const Index first_row = sequences.first * T, rows = sequences.count * T;
  const Index channels =
      static_cast<Index>(batch.numbers.size()) / std::max<Index>(1, batch.shape.batch * T);
  shape = {sequences.count, T};
  copy(batch.tokens, tokens, first_row, rows);
  copy(batch.numbers, numbers, first_row * channels, rows * channels);

  const auto answer_at = [&](Index row) {
    return std::ranges::lower_bound(batch.answer_rows, row) - batch.answer_rows.begin();
  };
  const Index first = answer_at(first_row), count = answer_at(first_row + rows) - first;
  copy(batch.answer_rows, answer_rows, first, count);
  for (Index& row : answer_rows) row -= first_row;
  copy(batch.targets, targets, first, count);
  copy(batch.values, values, first, count);
  copy(batch.gaps, gaps, first, count);
  minimal_pairs = batch.minimal_pairs;
}

void TaskBatch::append(const TaskBatch& batch) {
  assert(batch.shape.steps == shape.steps && batch.minimal_pairs == minimal_pairs);
  const auto extend = [](auto& to, const auto& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  const Index first_row = shape.batch * shape.steps;
  for (const Index row : batch.answer_rows) answer_rows.push_back(first_row + row);
  extend(tokens, batch.tokens);
  extend(numbers, batch.numbers);
  extend(targets, batch.targets);
  extend(values, batch.values);
  extend(gaps, batch.gaps);
  shape.batch += batch.shape.batch;
}

bool TaskBatch::is_among_last(Index a, Index count) const {
  const auto sequence_of = [this](Index i) { return answer_rows[std::size_t(i)] / shape.steps; };
  return a + count >= answers() || sequence_of(a + count) != sequence_of(a);
}

}  // namespace seqbench
