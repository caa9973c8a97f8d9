#include "core/reversed_layer.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "core/eigen_view.h"
#include "rnn/recurrent_layer.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

constexpr SequenceShape kShape{2, 5};
constexpr Index kWidth = 3;

Tensor<double> random_sequence(std::uint64_t seed) {
  Random random(seed);
  Tensor<double> x({kShape.batch, kShape.steps, kWidth});
  fill_normal(random, x.values());
  return x;
}

Tensor<double> reversed(const Tensor<double>& x) {
  Tensor<double> y(x.shape());
  for (Index b = 0; b < kShape.batch; ++b) {
    for (Index t = 0; t < kShape.steps; ++t) {
      as_eigen(y.sequence().sequence(b)).row(kShape.steps - 1 - t) =
          as_eigen(x.sequence().sequence(b)).row(t);
    }
  }
  return y;
}

void expect_equal(const Tensor<double>& a, const Tensor<double>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (Index i = 0; i < a.size(); ++i) EXPECT_EQ(a[i], b[i]) << i;
}

std::unique_ptr<SequenceLayer<double>> gru() {
  auto layer = make_gru<double>({.width = kWidth});
  Random random(1);
  layer->initialise(random);
  return layer;
}

TEST(ReversedLayer, IsTheLayerOnReversedSequencesForwardAndBackward) {
  const ThreadTeam team;
  const auto plain = gru();
  const auto layer = make_reversed(gru());
  const Tensor<double> x = random_sequence(2), dy = random_sequence(3);
  Tensor<double> y(x.shape()), dx(x.shape()), y_plain(x.shape()), dx_plain(x.shape());
  layer->reserve(kShape, Pass::kTrain, 1);
  layer->forward(team, x.sequence(), y.sequence(), Keep::kForBackward);
  layer->backward(team, x.sequence(), std::as_const(y).sequence(), dy.sequence(), dx.sequence());

  const Tensor<double> x_reversed = reversed(x), dy_reversed = reversed(dy);
  plain->reserve(kShape, Pass::kTrain, 1);
  plain->forward(team, x_reversed.sequence(), y_plain.sequence(), Keep::kForBackward);
  plain->backward(team, x_reversed.sequence(), std::as_const(y_plain).sequence(),
                  dy_reversed.sequence(), dx_plain.sequence());
  expect_equal(y, reversed(y_plain));
  expect_equal(dx, reversed(dx_plain));
  for (std::size_t p = 0; p < plain->parameters().size(); ++p) {
    expect_equal(layer->parameters()[p].gradient, plain->parameters()[p].gradient);
    EXPECT_EQ(layer->parameters()[p].name, plain->parameters()[p].name + "_reverse");
  }
}

TEST(ReversedLayer, DeclaresItsCopies) {
  const auto plain = gru();
  const auto layer = make_reversed(gru());
  const double sequence = padded_bytes(double(kShape.batch * kShape.steps * kWidth) * 8);
  for (const auto& [pass, copies] : {std::pair(Pass::kForward, 2), {Pass::kTrain, 4}}) {
    EXPECT_EQ(layer->cost(kShape, pass, 1).workspace_bytes,
              plain->cost(kShape, pass, 1).workspace_bytes + copies * sequence);
  }
}

TEST(ReversedLayer, DoesNotDecode) {
  EXPECT_THROW(make_reversed(gru())->reserve(kShape, Pass::kDecode, 1), std::logic_error);
  EXPECT_THROW(make_reversed(gru())->rewind(1), std::logic_error);
}

}  // namespace
}  // namespace seqbench
