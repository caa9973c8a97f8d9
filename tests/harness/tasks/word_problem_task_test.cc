#include <gtest/gtest.h>

#include <array>
#include <map>
#include <set>

#include "tests/harness/tasks/draw.h"

namespace seqbench {
namespace {

const std::map<std::string, Index> kOrders = {
    {"word_problem", 6}, {"word_problem_z60", 60}, {"word_problem_a5", 60}};

/// product[a][b], as sequences of two elements tell it.
std::vector<std::vector<Token>> products_in(const std::string& task) {
  const auto order = std::size_t(kOrders.at(task));
  std::vector<std::vector<Token>> product(order, std::vector<Token>(order, -1));
  const TaskBatch batch = draw(task, 100'000, {.distance = 2});
  for (std::size_t i = 0; i < batch.tokens.size(); i += 2) {
    Token& known = product[std::size_t(batch.tokens[i])][std::size_t(batch.tokens[i + 1])];
    EXPECT_TRUE(known == -1 || known == batch.targets[i + 1]);
    known = batch.targets[i + 1];
    EXPECT_EQ(batch.targets[i], batch.tokens[i]);
  }
  return product;
}

TEST(WordProblem, ElementsFormAGroup) {
  for (const auto& [task, order] : kOrders) {
    const auto product = products_in(task);
    const auto n = std::size_t(order);
    for (std::size_t a = 0; a < n; ++a) {
      EXPECT_EQ(product[0][a], Token(a)) << task;
      EXPECT_EQ(product[a][0], Token(a)) << task;
      const std::set<Token> reached(product[a].begin(), product[a].end());
      EXPECT_EQ(reached.size(), n) << task;
      EXPECT_EQ(*reached.begin(), 0) << task;
      for (std::size_t b = 0; b < n; ++b) {
        for (std::size_t c = 0; c < n; ++c) {
          ASSERT_EQ(product[std::size_t(product[a][b])][c], product[a][std::size_t(product[b][c])])
              << task;
        }
      }
    }
  }
}

/// Elements by their orders, which tell these three groups from all others of their sizes.
std::map<int, int> orders_of_elements(const std::vector<std::vector<Token>>& product) {
  std::map<int, int> counts;
  for (std::size_t a = 0; a < product.size(); ++a) {
    int order = 1;
    for (std::size_t power = a; power != 0; power = std::size_t(product[power][a])) ++order;
    ++counts[order];
  }
  return counts;
}

TEST(WordProblem, GroupsAreThoseThatTheyAreCalled) {
  EXPECT_EQ(orders_of_elements(products_in("word_problem")),
            (std::map<int, int>{{1, 1}, {2, 3}, {3, 2}}));
  EXPECT_EQ(orders_of_elements(products_in("word_problem_a5")),
            (std::map<int, int>{{1, 1}, {2, 15}, {3, 20}, {5, 24}}));
  EXPECT_EQ(orders_of_elements(products_in("word_problem_z60")).at(60), 16);  // φ(60)
}

TEST(WordProblem, AsksForTheProductSoFarAtEveryStep) {
  constexpr Index T = 13;
  for (const auto& [task, order] : kOrders) {
    const auto product = products_in(task);
    const TaskBatch batch = draw(task, 40, {.distance = T});
    for (Index b = 0; b < 40; ++b) {
      Token so_far = 0;
      for (Index t = 0; t < T; ++t) {
        const auto i = std::size_t(b * T + t);
        so_far = product[std::size_t(so_far)][std::size_t(batch.tokens[i])];
        EXPECT_EQ(batch.targets[i], so_far);
        EXPECT_EQ(batch.answer_rows[i], Index(i));
        EXPECT_EQ(batch.gaps[i], t + 1);
      }
    }
  }
}

TEST(WordProblem, WithoutEvidenceTheElementsTellNothing) {
  for (const auto& [task, order] : kOrders) {
    constexpr int kCount = 16000;
    const TaskBatch batch = draw(task, kCount, {.distance = 2}, Evidence::kRemoved);
    int right = 0;
    for (std::size_t i = 0; i < 2 * kCount; i += 2) right += batch.tokens[i] == batch.targets[i];
    const double p = 1 / double(order);
    EXPECT_NEAR(right, kCount * p, five_sigmas(p, kCount)) << task;
    EXPECT_EQ(task_by_name(task).chance({.distance = 2}), p);
    EXPECT_EQ(task_by_name(task).baseline_loss({.distance = 2}), std::log(double(order)));
  }
}

}  // namespace
}  // namespace seqbench
