#include "core/linear.h"

#include <gtest/gtest.h>

#include "core/eigen_view.h"
#include "tests/slopes.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

template <typename T>
struct Fixture {
  Tensor<T> x, weight, bias, dy, y, dx, dweight, dbias;

  Fixture(Random& random, Index rows, Index in, Index out)
      : x(normal_tensor<T>(random, {rows, in})),
        weight(normal_tensor<T>(random, {out, in})),
        bias(normal_tensor<T>(random, {out})),
        dy(normal_tensor<T>(random, {rows, out})),
        y({rows, out}),
        dx({rows, in}),
        dweight({out, in}),
        dbias({out}) {
    // So that accumulating instead of assigning fails.
    for (auto* gradient : {&dx, &dweight, &dbias}) {
      std::ranges::fill(gradient->values(), std::numeric_limits<T>::quiet_NaN());
    }
  }

  void forward(const ThreadTeam& team) {
    linear_forward<T>(team, {.x = x.matrix(),
                             .weight = weight.matrix(),
                             .bias = bias.values(),
                             .y = as_one_block(y.matrix())});
  }
  void backward(const ThreadTeam& team, MatrixView<T> assigned_dx) {
    linear_backward<T>(team, {.x = x.matrix(),
                              .weight = weight.matrix(),
                              .dy = dy.matrix(),
                              .dx = as_one_block(assigned_dx),
                              .dweight = dweight.matrix(),
                              .dbias = dbias.values()});
  }
};

TEST(Linear, MatchesTheFormulaOnExactNumbers) {
  Random random(1);
  Fixture<float> layer(random, 2, 3, 2);
  std::ranges::copy(std::vector{1.f, 2.f, 3.f, -1.f, 0.f, 4.f}, layer.x.data());
  std::ranges::copy(std::vector{1.f, 0.f, 2.f, -3.f, 1.f, 1.f}, layer.weight.data());
  std::ranges::copy(std::vector{10.f, 20.f}, layer.bias.data());
  layer.forward(ThreadTeam());
  const std::vector<float> expected{17, 22, 17, 27};
  EXPECT_TRUE(std::ranges::equal(layer.y.values(), expected));
}

// A bias of zeros, which is none.
TEST(Linear, WithoutBiasIsTheSameWithABiasOfZeros) {
  const ThreadTeam team;
  Random random(6);
  Fixture<float> with(random, 5, 7, 3);
  std::ranges::fill(with.bias.values(), 0.0f);
  with.forward(team);
  with.backward(team, with.dx.matrix());
  Fixture<float> without(random, 5, 7, 3);
  std::ranges::copy(with.x.values(), without.x.data());
  std::ranges::copy(with.weight.values(), without.weight.data());
  std::ranges::copy(with.dy.values(), without.dy.data());
  without.bias = Tensor<float>({0});
  without.dbias = Tensor<float>({0});
  without.forward(team);
  without.backward(team, without.dx.matrix());
  EXPECT_TRUE(std::ranges::equal(without.y.values(), with.y.values()));
  EXPECT_TRUE(std::ranges::equal(without.dx.values(), with.dx.values()));
  EXPECT_TRUE(std::ranges::equal(without.dweight.values(), with.dweight.values()));
}

TEST(Linear, GradientsMatchSlopes) {
  Random random(2);
  const ThreadTeam team;
  for (const Index rows : {1, 2, 17}) {
    for (const Index width : {4, 8}) {
      Fixture<double> layer(random, rows, width, 5);
      const auto loss = [&] {
        layer.forward(team);
        return as_eigen(layer.y.matrix()).cwiseProduct(as_eigen(layer.dy.matrix())).sum();
      };
      loss();
      layer.backward(team, layer.dx.matrix());
      // A sum of 5·rows products whose factor y is width + 1 roundings deep.
      const double error = std::numeric_limits<double>::epsilon() * double(5 * rows + width + 1) *
                           as_eigen(layer.dy.matrix()).cwiseAbs().sum() * double(width + 1) *
                           max_abs(std::as_const(layer.x).values()) *
                           max_abs(std::as_const(layer.weight).values());
      const auto expect = [&](const char* name, Tensor<double>& values,
                              const Tensor<double>& gradient) {
        expect_slopes({name, values.values(), gradient.values(), error}, loss);
      };
      expect("x", layer.x, layer.dx);
      expect("weight", layer.weight, layer.dweight);
      expect("bias", layer.bias, layer.dbias);
    }
  }
}

TEST(Linear, ResultsAreBitEqualForAnyTeam) {
  Random random(3);
  Fixture<float> one(random, 301, 130, 270);
  one.forward(ThreadTeam(1));
  one.backward(ThreadTeam(1), one.dx.matrix());
  for (const int threads : {2, 3, 4}) {
    Random same(3);
    Fixture<float> many(same, 301, 130, 270);
    many.forward(ThreadTeam(threads));
    many.backward(ThreadTeam(threads), many.dx.matrix());
    EXPECT_TRUE(bit_equal(many.y, one.y));
    EXPECT_TRUE(bit_equal(many.dx, one.dx));
    EXPECT_TRUE(bit_equal(many.dweight, one.dweight));
    EXPECT_TRUE(bit_equal(many.dbias, one.dbias));
  }
}

TEST(Linear, BackwardMayOverwriteTheInput) {
  Random random(4);
  const ThreadTeam team;
  Fixture<float> layer(random, 6, 4, 3);
  layer.backward(team, layer.dx.matrix());
  Tensor<float> dweight = std::move(layer.dweight);
  layer.dweight = Tensor<float>({3, 4});
  layer.backward(team, layer.x.matrix());
  EXPECT_TRUE(bit_equal(layer.x, layer.dx));
  EXPECT_TRUE(bit_equal(layer.dweight, dweight));
}

}  // namespace
}  // namespace seqbench
