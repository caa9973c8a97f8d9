// The word problem of a finite group: which element is the product of all so far, asked at every
// step (Merrill, Petty & Sabharwal 2024, "The Illusion of State", sec. 4; github.com/jopetty/
// word-problem)? A state of one element solves it for any length. That of A5, which is not
// solvable, is complete for NC¹ (Barrington 1989): models whose steps can all be taken at once,
// within TC⁰, are conjectured to have no constant depth that solves it at all lengths. Z60 has as
// many elements and is within their reach, S3 is the smallest group whose elements do not commute.
//
// Elements are numbered, the identity is 0. p_t = p_{t−1}·g_t, where a product of permutations
// applies its left factor first. Judged by the product of the whole sequence; the gap of an answer
// is the number of its factors.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"
#include "harness/tasks/task_definitions.h"

namespace seqbench {
namespace {

/// product[a·order + b] = a·b.
struct GroupTable {
  Token order;
  std::vector<Token> product;
};

/// The integers under addition.
GroupTable cyclic(Token order) {
  GroupTable group{.order = order, .product = {}};
  for (Token a = 0; a < order; ++a) {
    for (Token b = 0; b < order; ++b) group.product.push_back((a + b) % order);
  }
  return group;
}

template <std::size_t kPoints>
bool is_even(const std::array<int, kPoints>& permutation) {
  int inversions = 0;
  for (std::size_t i = 0; i < kPoints; ++i) {
    for (std::size_t j = i + 1; j < kPoints; ++j) inversions += permutation[i] > permutation[j];
  }
  return inversions % 2 == 0;
}

/// All permutations, or the even ones, in lexicographic order.
template <std::size_t kPoints>
GroupTable permutations(bool only_even) {
  std::vector<std::array<int, kPoints>> elements;
  std::array<int, kPoints> next;
  std::iota(next.begin(), next.end(), 0);
  do {
    if (!only_even || is_even(next)) elements.push_back(next);
  } while (std::ranges::next_permutation(next).found);
  GroupTable group{.order = static_cast<Token>(elements.size()), .product = {}};
  for (const auto& a : elements) {
    for (const auto& b : elements) {
      std::array<int, kPoints> both;
      for (std::size_t i = 0; i < kPoints; ++i) both[i] = b[std::size_t(a[i])];
      const auto found = std::ranges::lower_bound(elements, both);
      group.product.push_back(static_cast<Token>(found - elements.begin()));
    }
  }
  return group;
}

const GroupTable& table_of(WordGroup group) {
  static const GroupTable s3 = permutations<3>(/*only_even=*/false);
  static const GroupTable z60 = cyclic(60);
  static const GroupTable a5 = permutations<5>(/*only_even=*/true);
  return group == WordGroup::kS3 ? s3 : group == WordGroup::kZ60 ? z60 : a5;
}

template <WordGroup kGroup>
void draw(Random& random, const DrawRequest& request, TaskBatch& batch) {
  const GroupTable& group = table_of(kGroup);
  const Index T = request.setting.distance;
  const bool given = request.evidence == Evidence::kGiven;
  const auto element = [&] { return static_cast<Token>(random.below(group.order)); };
  batch.start({request.sequences, T});
  for (Index b = 0; b < request.sequences; ++b) {
    Token product = 0;
    for (Index t = 0; t < T; ++t) {
      const Token factor = element();
      product = group.product[static_cast<std::size_t>(product * group.order + factor)];
      batch.tokens.push_back(given ? factor : element());
      batch.answer_rows.push_back(b * T + t);
      batch.targets.push_back(product);
      batch.gaps.push_back(t + 1);
    }
  }
}

template <WordGroup kGroup>
Task task_of(const std::string& name) {
  const Index order = table_of(kGroup).order;
  return {
      .name = name,
      .setup = "causal",
      .evidence_for = EvidenceFor::kState,
      .distance_meaning = "sequence length",
      .vocabulary = order,
      .answers = order,
      .judged = Judged::kLastAnswer,
      .min_distance = [](Index) { return Index{2}; },
      .sequence_length = [](const TaskSetting& setting) { return setting.distance; },
      .questions = [](const TaskSetting& setting) { return setting.distance; },
      .chance = [](const TaskSetting&) { return 1 / double(table_of(kGroup).order); },
      .baseline_loss = [](const TaskSetting&) { return std::log(double(table_of(kGroup).order)); },
      .draw = draw<kGroup>,
      .defaults = {}};
}

}  // namespace

Task word_problem_task(WordGroup group) {
  switch (group) {
    case WordGroup::kS3:
      return task_of<WordGroup::kS3>("word_problem");
    case WordGroup::kZ60:
      return task_of<WordGroup::kZ60>("word_problem_z60");
    case WordGroup::kA5:
      return task_of<WordGroup::kA5>("word_problem_a5");
  }
  return {};
}

}  // namespace seqbench
