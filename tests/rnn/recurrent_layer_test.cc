#include "rnn/recurrent_layer.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "core/eigen_view.h"
#include "tests/gradient_check.h"
#include "tests/rnn/recurrent_cases.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

class RecurrentLayerTest : public RecurrentTest {};

TEST_P(RecurrentLayerTest, GradientsMatchFiniteDifferences) {
  for (const Index T : {1, 2, 17}) {
    for (const Index B : {1, 3}) {
      for (const Index D : {4, 8}) {
        const auto layer = make<double>(D);
        check_gradients(*layer, {.batch = B, .steps = T}, /*seed=*/11);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_P(RecurrentLayerTest, IsBitEqualForAnyNumberOfThreads) {
  // The first shape is large enough that products and pointwise steps are split.
  const std::pair<SequenceShape, Index> cases[] = {{{64, 3}, 260}, {{3, 5}, 7}};
  for (const auto& [shape, D] : cases) {
    const auto alone = train_once(*make<float>(D), shape);
    for (const int threads : {2, 3, 4}) {
      const auto together = train_once(*make<float>(D), shape, ThreadTeam(threads));
      EXPECT_TRUE(bit_equal(together.y, alone.y)) << threads;
      EXPECT_TRUE(bit_equal(together.dx, alone.dx)) << threads;
      for (std::size_t p = 0; p < alone.gradients.size(); ++p) {
        EXPECT_TRUE(bit_equal(together.gradients[p], alone.gradients[p])) << threads << ' ' << p;
      }
    }
  }
}

TEST_P(RecurrentLayerTest, SharedRowsGiveWhatTheyGiveAsAnInput) {
  const ThreadTeam team;
  const SequenceShape shape{.batch = 3, .steps = 9};
  for (const Index D : {4, 17}) {
    const auto layer = make<double>(D);
    constexpr Index U = 4;
    const double elements = layer->row_scratch(shape, {.shared = U});
    EXPECT_EQ(elements, U * GetParam().shared_rows * D);
    if (elements == 0) continue;
    Random random(6);
    randomise_parameters(random, *layer);
    layer->reserve(shape, Pass::kTrain, team.size());
    const Tensor<double> table = normal_tensor<double>(random, {U, D});
    const Tensor<double> dy = normal_tensor<double>(random, {shape.batch, shape.steps, D});
    Tensor<double> x(dy.shape()), y(dy.shape()), dx(dy.shape());
    std::vector<Token> rows;
    for (Index i = 0; i < shape.batch * shape.steps; ++i) {
      rows.push_back(static_cast<Token>(random.below(U)));
    }
    embedding_forward<double>(rows, table.matrix(), x.matrix());
    layer->forward(team, x.sequence(), y.sequence(), Keep::kForBackward);
    layer->backward(team, x.sequence(), y.sequence(), dy.sequence(), dx.sequence());
    Tensor<double> expected_dtable({U, D});
    embedding_backward<double>(rows, dx.matrix(), expected_dtable.matrix());
    const auto expected = copied_gradients(*layer);

    Tensor<double> shared_y(dy.shape()), dtable({U, D}), scratch({Index(elements)});
    const RowPass<double> pass{.shape = shape,
                               .shared = rows,
                               .wanted = {},
                               .x = table.matrix(),
                               .y = shared_y.matrix(),
                               .scratch = scratch.data()};
    layer->forward_rows(team, pass, Keep::kForBackward);
    layer->backward_rows(team, pass, dy.matrix(), dtable.matrix());
    // Products of few rows and of many may run their sums in another order.
    const double bound = rounding_bound<double>(shape, D, double(D) * (max_abs(dy.values()) + 1));
    EXPECT_LE(max_difference(shared_y, y), bound);
    EXPECT_LE(max_difference(dtable, expected_dtable), bound);
    for (std::size_t p = 0; p < expected.size(); ++p) {
      EXPECT_LE(max_difference(layer->parameters()[p].gradient, expected[p]), bound) << p;
      EXPECT_GT(max_abs(expected[p].values()), 1e3 * bound) << p;
    }
  }
}

TEST_P(RecurrentLayerTest, RefusesAPassThatItLacks) {
  const auto layer = make<double>(4);
  layer->reserve({.batch = 1, .steps = 2}, Pass::kTrain, 1);
  Tensor<double> x({2, 4}), y({1, 4}), dx({2, 4});
  const std::vector<Index> wanted = {1};
  const RowPass<double> pass{.shape = {.batch = 1, .steps = 2},
                             .shared = {},
                             .wanted = wanted,
                             .x = x.matrix(),
                             .y = y.matrix(),
                             .scratch = nullptr};
  EXPECT_EQ(layer->row_scratch(pass.shape, pass.counts()), 0);
  EXPECT_THROW(layer->forward_rows(ThreadTeam(), pass, Keep::kNothing), std::logic_error);
  EXPECT_THROW(layer->backward_rows(ThreadTeam(), pass, y.matrix(), dx.matrix()), std::logic_error);
}

TEST_P(RecurrentLayerTest, FewerChannelsGiveWhatZerosInTheOthersGive) {
  const ThreadTeam team;
  const SequenceShape shape{.batch = 3, .steps = 9};
  constexpr Index D = 17, C = 2;
  const auto layer = make<double>(D);
  Random random(7);
  randomise_parameters(random, *layer);
  layer->reserve(shape, Pass::kTrain, team.size());
  const Tensor<double> narrow_x = normal_tensor<double>(random, {shape.batch, shape.steps, C});
  const Tensor<double> dy = normal_tensor<double>(random, {shape.batch, shape.steps, D});
  Tensor<double> x(dy.shape()), y(dy.shape()), dx(dy.shape());
  as_eigen(x.matrix().column_block(0, C)) = as_eigen(narrow_x.matrix());
  layer->forward(team, x.sequence(), y.sequence(), Keep::kForBackward);
  layer->backward(team, x.sequence(), y.sequence(), dy.sequence(), dx.sequence());
  const auto expected = copied_gradients(*layer);

  // What the gradients held before must not stay where the input has no channel.
  for (auto& parameter : layer->parameters()) std::ranges::fill(parameter.gradient.values(), 1e9);
  Tensor<double> narrow_y(dy.shape()), narrow_dx(narrow_x.shape());
  layer->forward(team, narrow_x.sequence(), narrow_y.sequence(), Keep::kForBackward);
  layer->backward(team, narrow_x.sequence(), narrow_y.sequence(), dy.sequence(),
                  narrow_dx.sequence());
  const double bound = rounding_bound<double>(shape, D, double(D) * (max_abs(dy.values()) + 1));
  EXPECT_LE(max_difference(narrow_y, y), bound);
  for (Index i = 0; i < shape.batch * shape.steps; ++i) {
    for (Index c = 0; c < C; ++c) {
      EXPECT_NEAR(narrow_dx.matrix()(i, c), dx.matrix()(i, c), bound) << i << ' ' << c;
    }
  }
  for (std::size_t p = 0; p < expected.size(); ++p) {
    EXPECT_LE(max_difference(layer->parameters()[p].gradient, expected[p]), bound) << p;
    EXPECT_GT(max_abs(expected[p].values()), 1e3 * bound) << p;
  }
}

TEST_P(RecurrentLayerTest, DecodeAfterPrefillContinuesTheSequence) {
  const ThreadTeam team;
  for (const Index context : {1, 5}) {
    for (const Index D : {1, 9}) {
      const SequenceShape shape{.batch = 3, .steps = context + 3};
      const auto layer = make<float>(D);
      Random random(5);
      randomise_parameters(random, *layer);
      const Tensor<float> x = normal_tensor<float>(random, {shape.batch, shape.steps, D});
      Tensor<float> expected({shape.batch, shape.steps, D}), y({shape.batch, shape.steps, D});
      layer->reserve(shape, Pass::kForward, team.size());
      layer->forward(team, x.sequence(), expected.sequence(), Keep::kNothing);

      Tensor<float> x_context({shape.batch, context, D}), y_context({shape.batch, context, D});
      for (Index b = 0; b < shape.batch; ++b) {
        std::copy_n(x.sequence().sequence(b).data, context * D,
                    x_context.sequence().sequence(b).data);
      }
      layer->reserve(shape, Pass::kDecode, team.size());
      layer->prefill(team, normal_tensor<float>(random, {shape.batch, 2, D}).sequence(),
                     Tensor<float>({shape.batch, 2, D}).sequence());  // to be forgotten
      layer->prefill(team, x_context.sequence(), y_context.sequence());
      for (Index b = 0; b < shape.batch; ++b) {
        std::copy_n(y_context.sequence().sequence(b).data, context * D,
                    y.sequence().sequence(b).data);
      }
      for (Index t = context; t < shape.steps; ++t) {
        layer->decode(team, x.sequence().step(t), y.sequence().step(t));
        layer->rewind(context);  // leaves a recurrent state as it is
      }
      EXPECT_LE(max_difference(y, expected),
                rounding_bound<float>(shape, D, std::sqrt(double(D)) * (max_abs(x.values()) + 1)));
    }
  }
}

/// y of the token after x's first T − 1 that decode gives when it has read them from `context` on.
Tensor<float> decode_last(SequenceLayer<float>& layer, const Tensor<float>& x, Index context,
                          const ThreadTeam& team) {
  const Index B = x.shape()[0], T = x.shape()[1], D = x.shape()[2];
  Tensor<float> head({B, context, D}), y_head(head.shape()), y({B, D});
  for (Index b = 0; b < B; ++b) {
    copy(x.sequence().sequence(b).row_block(0, context), head.sequence().sequence(b));
  }
  layer.reserve({B, T}, Pass::kDecode, team.size());
  layer.prefill(team, std::as_const(head).sequence(), y_head.sequence());
  for (Index t = context; t < T; ++t) layer.decode(team, x.sequence().step(t), y.matrix());
  return y;
}

// Both read the same packed weights, or sum in the same order. The forward pass may sum in another,
// and so round a state to the other side of a middle.
TEST(RecurrentDecode, InBfloat16IsBitEqualWhereverItBeginsAndCloseToForward) {
  for (const Index B : {1, 3, 16}) {
    for (const Index D : {1, 9, 70}) {
      Random random(5);
      const Tensor<float> x = normal_tensor<float>(random, {B, 6, D});
      std::vector<std::unique_ptr<SequenceLayer<float>>> layers;
      for (const RecurrentModel& model : {kElman, kLstm, kGru}) {
        layers.push_back(model.make<float>({.width = D, .factors = Factors::kBfloat16}));
      }
      layers.push_back(make_mingru<float>({.width = D, .factors = Factors::kBfloat16}));
      for (auto& layer : layers) {
        randomise_parameters(random, *layer);
        const auto expected = decode_last(*layer, x, 5, ThreadTeam());
        EXPECT_TRUE(bit_equal(decode_last(*layer, x, 1, ThreadTeam(3)), expected)) << B << ' ' << D;
        Tensor<float> y(x.shape());
        layer->reserve({B, x.shape()[1]}, Pass::kForward, 1);
        layer->forward(ThreadTeam(), x.sequence(), y.sequence(), Keep::kNothing);
        for (Index b = 0; b < B; ++b) {
          const float* const row = y.sequence().sequence(b).row(x.shape()[1] - 1);
          for (Index j = 0; j < D; ++j) {
            ASSERT_NEAR(expected.matrix()(b, j), row[j],
                        0x1p-7 * max_abs(std::as_const(y).values()))
                << B << ' ' << D;
          }
        }
      }
    }
  }
}

/// Steps [first, first + count) of every sequence.
Tensor<double> segment_of(const Tensor<double>& x, Index first, Index count) {
  const SequenceView<const double> all = x.sequence();
  Tensor<double> segment({all.batch, count, all.width});
  for (Index t = 0; t < count; ++t) copy(all.step(first + t), segment.sequence().step(t));
  return segment;
}

TEST_P(RecurrentLayerTest, SegmentsThatCarryTheStateAreOneLongSequence) {
  const ThreadTeam team(2);
  constexpr Index B = 3, T = 83;
  for (const Index D : {1, 17}) {
    for (const Pass reserved : {Pass::kForward, Pass::kTrain}) {
      const auto layer = make<double>(D);
      const Keep keep = reserved == Pass::kTrain ? Keep::kForBackward : Keep::kNothing;
      Random random(8);
      randomise_parameters(random, *layer);
      const Tensor<double> x = normal_tensor<double>(random, {B, T, D});
      Tensor<double> expected({B, T, D});
      layer->reserve({B, T}, reserved, team.size());
      layer->forward(team, x.sequence(), expected.sequence(), keep);

      ASSERT_EQ(layer->carried_vectors(), GetParam().states);
      Tensor<double> before({B, GetParam().states * D}), after(before.shape());
      const double bound = rounding_bound<double>({B, T}, D, max_abs(x.values()) + 1);
      Index first = 0;
      for (const Index steps : {40, 1, 42}) {
        layer->carry({before.matrix(), after.matrix()});
        const Tensor<double> part = segment_of(x, first, steps);
        Tensor<double> y(part.shape());
        layer->forward(team, part.sequence(), y.sequence(), keep);
        EXPECT_LE(max_difference(y, segment_of(expected, first, steps)), bound) << first;
        EXPECT_EQ(max_difference(segment_of(y, steps - 1, 1),
                                 [&] {
                                   Tensor<double> h({B, 1, D});
                                   copy(after.matrix().column_block(0, D), h.matrix());
                                   return h;
                                 }()),
                  0);
        std::swap(before, after);
        first += steps;
      }
      // And from nothing again.
      layer->carry({});
      Tensor<double> y({B, T, D});
      layer->forward(team, x.sequence(), y.sequence(), keep);
      EXPECT_TRUE(bit_equal(y, expected));
    }
  }
}

TEST_P(RecurrentLayerTest, GradientsOfASegmentThatGoesOnMatchFiniteDifferences) {
  for (const Index T : {1, 2, 17}) {
    for (const Index B : {1, 3}) {
      constexpr Index D = 4;
      const auto layer = make<double>(D);
      Random random(9);
      const Tensor<double> before = normal_tensor<double>(random, {B, GetParam().states * D}, 0.5);
      Tensor<double> after(before.shape());
      layer->carry({before.matrix(), after.matrix()});
      check_gradients(*layer, {.batch = B, .steps = T}, /*seed=*/11);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(RecurrentLayerTest, SharedRowsGoOnFromTheSameState) {
  const ThreadTeam team;
  constexpr Index B = 3, T = 9, D = 17, U = 4;
  const auto layer = make<double>(D);
  const double elements = layer->row_scratch({B, T}, {.shared = U});
  if (elements == 0) return;
  Random random(6);
  randomise_parameters(random, *layer);
  layer->reserve({B, T}, Pass::kTrain, team.size());
  const Tensor<double> before = normal_tensor<double>(random, {B, GetParam().states * D}, 0.5);
  Tensor<double> after(before.shape()), shared_after(before.shape());
  const Tensor<double> table = normal_tensor<double>(random, {U, D});
  const Tensor<double> dy = normal_tensor<double>(random, {B, T, D});
  Tensor<double> x(dy.shape()), y(dy.shape()), dx(dy.shape());
  std::vector<Token> rows;
  for (Index i = 0; i < B * T; ++i) rows.push_back(static_cast<Token>(random.below(U)));
  embedding_forward<double>(rows, table.matrix(), x.matrix());
  layer->carry({before.matrix(), after.matrix()});
  layer->forward(team, x.sequence(), y.sequence(), Keep::kForBackward);
  layer->backward(team, x.sequence(), y.sequence(), dy.sequence(), dx.sequence());
  const auto expected = copied_gradients(*layer);

  Tensor<double> shared_y(dy.shape()), dtable({U, D}), scratch({Index(elements)});
  const RowPass<double> pass{.shape = {B, T},
                             .shared = rows,
                             .wanted = {},
                             .x = table.matrix(),
                             .y = shared_y.matrix(),
                             .scratch = scratch.data()};
  layer->carry({before.matrix(), shared_after.matrix()});
  layer->forward_rows(team, pass, Keep::kForBackward);
  layer->backward_rows(team, pass, dy.matrix(), dtable.matrix());
  const double bound = rounding_bound<double>({B, T}, D, double(D) * (max_abs(dy.values()) + 1));
  EXPECT_LE(max_difference(shared_y, y), bound);
  EXPECT_LE(max_difference(shared_after, after), bound);
  for (std::size_t p = 0; p < expected.size(); ++p) {
    EXPECT_LE(max_difference(layer->parameters()[p].gradient, expected[p]), bound) << p;
  }
}

TEST_P(RecurrentLayerTest, SmallerShapesThanReservedGiveTheSame) {
  const ThreadTeam team;
  const Index B = 2, T = 3, D = 6;
  const auto exact = make<float>(D), roomy = make<float>(D);
  Random random(5);
  randomise_parameters(random, *exact);
  copy_parameters(*exact, *roomy);
  const Tensor<float> x = normal_tensor<float>(random, {B, T, D});
  const Tensor<float> dy = normal_tensor<float>(random, {B, T, D});
  Tensor<float> y({B, T, D}), y_roomy({B, T, D}), dx({B, T, D}), dx_roomy({B, T, D});
  exact->reserve({B, T}, Pass::kTrain, team.size());
  exact->forward(team, x.sequence(), y.sequence(), Keep::kForBackward);
  exact->backward(team, x.sequence(), y.sequence(), dy.sequence(), dx.sequence());

  roomy->reserve({B + 1, T + 4}, Pass::kTrain, team.size());
  Tensor<float> large({B + 1, T + 4, D}), y_large({B + 1, T + 4, D});
  std::ranges::fill(large.values(), 1.f);
  roomy->forward(team, large.sequence(), y_large.sequence(), Keep::kForBackward);
  roomy->backward(team, large.sequence(), y_large.sequence(), large.sequence(), large.sequence());
  roomy->forward(team, x.sequence(), y_roomy.sequence(), Keep::kForBackward);
  roomy->backward(team, x.sequence(), y.sequence(), dy.sequence(), dx_roomy.sequence());
  EXPECT_TRUE(bit_equal(y, y_roomy));
  EXPECT_TRUE(bit_equal(dx, dx_roomy));
  for (std::size_t p = 0; p < exact->parameters().size(); ++p) {
    EXPECT_TRUE(bit_equal(exact->parameters()[p].gradient, roomy->parameters()[p].gradient)) << p;
  }
}

TEST_P(RecurrentLayerTest, InferenceAndTrainingGiveTheSameOutput) {
  const ThreadTeam team;
  const SequenceShape shape{.batch = 2, .steps = 5};
  const auto layer = make<float>(11);
  Random random(5);
  randomise_parameters(random, *layer);
  const Tensor<float> x = normal_tensor<float>(random, {2, 5, 11});
  Tensor<float> y({2, 5, 11}), y_train({2, 5, 11});
  layer->reserve(shape, Pass::kForward, team.size());
  layer->forward(team, x.sequence(), y.sequence(), Keep::kNothing);
  layer->reserve(shape, Pass::kTrain, team.size());
  layer->forward(team, x.sequence(), y_train.sequence(), Keep::kForBackward);
  EXPECT_TRUE(bit_equal(y, y_train));
}

TEST_P(RecurrentLayerTest, SaturatedGatesStayFinite) {
  const ThreadTeam team;
  const Index B = 2, T = 4, D = 5;
  const auto layer = make<float>(D);
  Random random(5);
  randomise_parameters(random, *layer);
  const Tensor<float> x = normal_tensor<float>(random, {B, T, D}, 1e6);
  const Tensor<float> dy = normal_tensor<float>(random, {B, T, D});
  Tensor<float> y({B, T, D}), dx({B, T, D});
  layer->reserve({B, T}, Pass::kTrain, team.size());
  layer->forward(team, x.sequence(), y.sequence(), Keep::kForBackward);
  layer->backward(team, x.sequence(), y.sequence(), dy.sequence(), dx.sequence());
  if (GetParam().is_squashed) {
    EXPECT_LE(max_abs(std::as_const(y).values()), 1);
  }
  EXPECT_TRUE(std::isfinite(max_abs(std::as_const(y).values())));
  EXPECT_TRUE(std::isfinite(max_abs(std::as_const(dx).values())));
  for (auto& parameter : layer->parameters()) {
    EXPECT_TRUE(std::isfinite(max_abs(std::as_const(parameter.gradient).values())))
        << parameter.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Recurrent, RecurrentLayerTest, every_model_and_kernel(), case_name);

TEST(RecurrentKernels, HoistedMatchesStepwise) {
  const std::pair<SequenceShape, Index> cases[] = {{{1, 1}, 1},  {{1, 7}, 1},   {{3, 1}, 5},
                                                   {{2, 17}, 9}, {{5, 33}, 20}, {{1, 64}, 65}};
  for (const RecurrentModel& model : {kElman, kLstm, kGru}) {
    for (const auto& [shape, D] : cases) {
      const auto stepwise =
          train_once(*model.make<float>({.width = D, .kernel = RecurrentKernel::kStepwise}), shape);
      const auto hoisted =
          train_once(*model.make<float>({.width = D, .kernel = RecurrentKernel::kHoisted}), shape);
      expect_equal_within_rounding(stepwise, hoisted, shape, D, model.name);
    }
  }
}

TEST(RecurrentParameters, HavePyTorchsNamesShapesAndBounds) {
  const Index D = 64;
  for (const RecurrentModel& model : {kElman, kLstm, kGru}) {
    const auto layer = model.make<float>({.width = D});
    Random random(1);
    layer->initialise(random);
    const auto parameters = layer->parameters();
    const std::vector<std::pair<std::string, std::vector<Index>>> expected = {
        {"weight_ih_l0", {model.gates * D, D}},
        {"weight_hh_l0", {model.gates * D, D}},
        {"bias_ih_l0", {model.gates * D}},
        {"bias_hh_l0", {model.gates * D}}};
    ASSERT_EQ(parameters.size(), expected.size());
    for (std::size_t p = 0; p < expected.size(); ++p) {
      EXPECT_EQ(parameters[p].name, expected[p].first);
      EXPECT_EQ(parameters[p].value.shape(), expected[p].second);
      EXPECT_LE(max_abs(std::as_const(parameters[p].value).values()), 0.125);  // 1/√64
      // All of n ≥ 64 uniform draws lie below 0.8 of their bound once in 10⁶ seeds; not in this.
      EXPECT_GT(max_abs(std::as_const(parameters[p].value).values()), 0.8 * 0.125);
    }
  }
}

TEST(RecurrentOptions, WidthBelowOneIsRefused) {
  for (const RecurrentModel& model : {kElman, kLstm, kGru}) {
    EXPECT_THROW(model.make<float>({.width = 0}), std::invalid_argument);
    EXPECT_THROW(model.make<float>({.width = -3}), std::invalid_argument);
  }
}

}  // namespace
}  // namespace seqbench
