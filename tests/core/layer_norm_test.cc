#include "core/layer_norm.h"

#include <gtest/gtest.h>

#include "core/eigen_view.h"
#include "tests/slopes.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

constexpr double kEps = std::numeric_limits<double>::epsilon();

/// Everything one layer norm of [rows, width] needs.
template <typename T>
struct Fixture {
  Tensor<T> x, weight, bias, dy, y, mean, rstd, dx, dweight, dbias;

  Fixture(Random& random, Index rows, Index width)
      : x(normal_tensor<T>(random, {rows, width}, 2)),
        weight(normal_tensor<T>(random, {width})),
        bias(normal_tensor<T>(random, {width})),
        dy(normal_tensor<T>(random, {rows, width})),
        y({rows, width}),
        mean({rows}),
        rstd({rows}),
        dx({rows, width}),
        dweight({width}),
        dbias({width}) {
    // So that accumulating instead of assigning fails.
    for (auto* gradient : {&dx, &dweight, &dbias}) {
      std::ranges::fill(gradient->values(), std::numeric_limits<T>::quiet_NaN());
    }
  }

  void forward() {
    layer_norm_forward<T>({.x = x.matrix(),
                           .weight = weight.values(),
                           .bias = bias.values(),
                           .y = y.matrix(),
                           .mean = mean.values(),
                           .rstd = rstd.values()});
  }
  void backward(MatrixView<T> assigned_dx) {
    layer_norm_backward<T>({.x = x.matrix(),
                            .weight = weight.values(),
                            .mean = mean.values(),
                            .rstd = rstd.values(),
                            .dy = dy.matrix(),
                            .dx = assigned_dx,
                            .dweight = dweight.values(),
                            .dbias = dbias.values()});
  }
};

// torch.nn.functional.layer_norm(x, (3,), weight, bias) in float64 on these very numbers.
TEST(LayerNorm, MatchesPyTorch) {
  Random random(1);
  Fixture<double> norm(random, 2, 3);
  std::ranges::copy(std::vector{1., 2., 4., -1., 0., .5}, norm.x.data());
  std::ranges::copy(std::vector{1., 2., -1.}, norm.weight.data());
  std::ranges::copy(std::vector{0., .5, 1.}, norm.bias.data());
  norm.forward();
  const double expected[] = {-1.0690415314502977, -0.03452076572514906, -0.3363019143128718,
                             -1.3362890288136267, 1.0345156115254508,   -0.06903122305090159};
  // A dozen roundings, of intermediate values of at most 4.
  for (Index i = 0; i < 6; ++i) EXPECT_NEAR(norm.y[i], expected[i], 12 * kEps * 4);
}

TEST(LayerNorm, NormalisesRowsFarFromZero) {
  Random random(2);
  Fixture<float> norm(random, 3, 64);
  std::ranges::fill(norm.weight.values(), 1.f);
  std::ranges::fill(norm.bias.values(), 0.f);
  for (float& value : norm.x.values()) value += 1000;
  norm.forward();
  const double float_eps = std::numeric_limits<float>::epsilon();
  for (Index i = 0; i < 3; ++i) {
    const auto row = as_eigen(norm.y.matrix()).row(i).cast<double>().array();
    // The mean, of terms near 1000, is a few ULP of 1000 off; that shifts every x̂ alike.
    const double shift = 64 * float_eps * 1000;
    EXPECT_NEAR(row.mean(), 0, shift);
    // A variance of about 4 makes ε count for 1e-5/4; a shifted mean counts squared.
    EXPECT_NEAR(row.square().mean(), 1, kLayerNormEpsilon + shift * shift + 64 * float_eps);
  }
}

TEST(LayerNorm, AConstantRowBecomesTheBias) {
  Random random(3);
  Fixture<float> norm(random, 1, 5);
  std::ranges::fill(norm.x.values(), 0.25f);
  norm.forward();
  for (Index j = 0; j < 5; ++j) EXPECT_EQ(norm.y[j], norm.bias[j]);
}

TEST(LayerNorm, WithoutBiasIsTheSameWithABiasOfZeros) {
  Random random(6);
  Fixture<double> with(random, 3, 5);
  std::ranges::fill(with.bias.values(), 0.0);
  with.forward();
  with.backward(with.dx.matrix());
  Fixture<double> without(random, 3, 5);
  std::ranges::copy(with.x.values(), without.x.data());
  std::ranges::copy(with.weight.values(), without.weight.data());
  std::ranges::copy(with.dy.values(), without.dy.data());
  without.bias = Tensor<double>({0});
  without.dbias = Tensor<double>({0});
  without.forward();
  without.backward(without.dx.matrix());
  EXPECT_TRUE(std::ranges::equal(without.y.values(), with.y.values()));
  EXPECT_TRUE(std::ranges::equal(without.dx.values(), with.dx.values()));
  EXPECT_TRUE(std::ranges::equal(without.dweight.values(), with.dweight.values()));
}

TEST(LayerNorm, GradientsMatchSlopes) {
  Random random(4);
  for (const Index rows : {1, 2, 17}) {
    for (const Index width : {2, 4, 8}) {
      Fixture<double> norm(random, rows, width);
      const auto loss = [&] {
        norm.forward();
        return as_eigen(norm.y.matrix()).cwiseProduct(as_eigen(norm.dy.matrix())).sum();
      };
      loss();
      norm.backward(norm.dx.matrix());
      // Rows·width products; each x̂ (at most √width) is some 2·width roundings deep, and a variance
      // near 0 magnifies them by 1/√ε.
      const double depth = double(3 * width + rows * width) / std::sqrt(kLayerNormEpsilon);
      const double error = kEps * depth * max_abs(std::as_const(norm.y).values()) *
                           max_abs(std::as_const(norm.dy).values());
      const auto expect = [&](const char* name, Tensor<double>& values,
                              const Tensor<double>& gradient) {
        expect_slopes({name, values.values(), gradient.values(), error}, loss);
      };
      expect("x", norm.x, norm.dx);
      expect("weight", norm.weight, norm.dweight);
      expect("bias", norm.bias, norm.dbias);
    }
  }
}

TEST(LayerNorm, BackwardMayOverwriteItsInput) {
  Random random(5);
  Fixture<float> norm(random, 4, 9);
  norm.forward();
  norm.backward(norm.dx.matrix());
  norm.backward(norm.dy.matrix());
  EXPECT_TRUE(bit_equal(norm.dx, norm.dy));
}

}  // namespace
}  // namespace seqbench
