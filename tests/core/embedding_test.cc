#include "core/embedding.h"

#include <gtest/gtest.h>

#include "core/eigen_view.h"
#include "tests/slopes.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

TEST(Embedding, CopiesTheRowOfEachToken) {
  Random random(1);
  const auto table = normal_tensor<float>(random, {5, 3});
  const std::vector<Token> tokens{4, 0, 4, 2};
  Tensor<float> y({4, 3});
  embedding_forward<float>(tokens, table.matrix(), y.matrix());
  for (Index i = 0; i < 4; ++i) {
    EXPECT_EQ(as_eigen(y.matrix()).row(i), as_eigen(table.matrix()).row(tokens[std::size_t(i)]));
  }
}

TEST(Embedding, GradientSumsOverRepeatedTokensAndIsZeroForUnusedOnes) {
  const std::vector<Token> tokens{1, 3, 1};
  Tensor<float> dy({3, 2}), dtable({4, 2});
  std::ranges::copy(std::vector{1.f, 2.f, 10.f, 20.f, 100.f, 200.f}, dy.data());
  std::ranges::fill(dtable.values(), std::numeric_limits<float>::quiet_NaN());
  embedding_backward<float>(tokens, dy.matrix(), dtable.matrix());
  const std::vector<float> expected{0, 0, 101, 202, 0, 0, 10, 20};
  EXPECT_TRUE(std::ranges::equal(dtable.values(), expected));
}

TEST(Embedding, GradientIsAddedOnRequest) {
  Tensor<float> dy({2, 2}), dtable({3, 2});
  std::ranges::copy(std::vector{1.f, 2.f, 10.f, 20.f}, dy.data());
  std::ranges::copy(std::vector{5.f, 6.f, 7.f, 8.f, 9.f, 10.f}, dtable.data());
  add_embedding_gradient<float>(std::vector<Token>{2, 0}, dy.matrix(), dtable.matrix());
  EXPECT_TRUE(std::ranges::equal(dtable.values(), std::vector<float>{15, 26, 7, 8, 10, 12}));
}

TEST(Embedding, GradientMatchesSlopes) {
  Random random(2);
  for (const Index count : {1, 2, 17}) {
    auto table = normal_tensor<double>(random, {4, 3});
    const auto dy = normal_tensor<double>(random, {count, 3});
    Tensor<double> y({count, 3}), dtable({4, 3});
    std::vector<Token> tokens;
    for (Index i = 0; i < count; ++i) tokens.push_back(Token(random.below(4)));
    const auto loss = [&] {
      embedding_forward(tokens, std::as_const(table).matrix(), y.matrix());
      return as_eigen(y.matrix()).cwiseProduct(as_eigen(dy.matrix())).sum();
    };
    embedding_backward(tokens, dy.matrix(), dtable.matrix());
    loss();
    // A sum of 3·count products.
    const double error = std::numeric_limits<double>::epsilon() * 3 * double(count) *
                         as_eigen(y.matrix()).cwiseProduct(as_eigen(dy.matrix())).cwiseAbs().sum();
    expect_slopes({"table", table.values(), std::as_const(dtable).values(), error}, loss);
  }
}

}  // namespace
}  // namespace seqbench
