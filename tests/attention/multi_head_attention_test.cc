#include "attention/multi_head_attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <complex>
#include <iterator>
#include <stdexcept>
#include <tuple>

#include "attention/fused_tile.h"
#include "core/eigen_view.h"
#include "tests/counted_allocations.h"
#include "tests/gradient_check.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

constexpr AttentionKernel kKernels[] = {AttentionKernel::kNaive, AttentionKernel::kFused};

TEST(MultiHeadAttention, GradientsEqualFiniteDifferences) {
  for (const AttentionKernel kernel : kKernels) {
    for (const bool causal : {false, true}) {
      for (const Index width : {4, 8}) {
        for (const Index heads : {1, 2}) {
          const auto layer = make_attention<double>({width, heads, causal, kernel});
          for (const Index batch : {1, 3}) {
            for (const Index steps : {1, 2, 17}) check_gradients(*layer, {batch, steps}, 1);
          }
        }
      }
    }
  }
}

TEST(MultiHeadAttention, GradientsWithRotaryPositionsEqualFiniteDifferences) {
  for (const AttentionKernel kernel : kKernels) {
    for (const Index heads : {1, 2, 6}) {
      const auto layer = make_attention<double>({6, heads, true, kernel, true});
      for (const Index steps : {1, 2, 17}) check_gradients(*layer, {3, steps}, 1);
    }
  }
}

/// y = x·Wᵀ + b for x [N, I].
RowMajorMatrix<double> affine(const RowMajorMatrix<double>& x, const Parameter<double>& weight,
                              const Parameter<double>& bias) {
  const Eigen::Map<const Eigen::RowVectorXd> b(bias.value.data(), bias.value.size());
  return (x * as_eigen(weight.value.matrix()).transpose()).rowwise() + b;
}

TEST(MultiHeadAttention, EqualsTheDefinitionOfEachHead) {
  const Index B = 2, T = 5, D = 6, H = 3, d_k = 2;
  for (const AttentionKernel kernel : kKernels) {
    const auto layer = make_attention<double>({D, H, false, kernel});
    Random random(2);
    randomise_parameters(random, *layer);
    const auto x = normal_tensor<double>(random, {B, T, D});
    Tensor<double> y({B, T, D});
    layer->reserve({B, T}, Pass::kForward, 1);
    layer->forward(ThreadTeam(), x.sequence(), y.sequence(), Keep::kNothing);

    const auto p = layer->parameters();
    for (Index b = 0; b < B; ++b) {
      const RowMajorMatrix<double> qkv = affine(as_eigen(x.sequence().sequence(b)), p[0], p[1]);
      RowMajorMatrix<double> context(T, D);
      for (Index h = 0; h < H; ++h) {
        const auto q = qkv.middleCols(h * d_k, d_k);
        const auto k = qkv.middleCols(D + h * d_k, d_k);
        const auto v = qkv.middleCols(2 * D + h * d_k, d_k);
        RowMajorMatrix<double> weights = (q * k.transpose() / std::sqrt(2.0)).array().exp();
        for (Index i = 0; i < T; ++i) weights.row(i) /= weights.row(i).sum();
        context.middleCols(h * d_k, d_k) = weights * v;
      }
      const RowMajorMatrix<double> expected = affine(context, p[2], p[3]);
      // Two projections of depth D, a weighted sum of depth T and its weights' own errors, on
      // both sides.
      const double tolerance = 2 * std::numeric_limits<double>::epsilon() * double(4 * D + 2 * T) *
                               expected.cwiseAbs().maxCoeff();
      EXPECT_LE((expected - as_eigen(y.sequence().sequence(b))).cwiseAbs().maxCoeff(), tolerance);
    }
  }
}

/// A layer whose values are its input and whose output are its heads', with random queries and
/// keys.
std::unique_ptr<SequenceLayer<double>> mixing_layer(const AttentionOptions& options,
                                                    Random& random) {
  auto layer = make_attention<double>(options);
  randomise_parameters(random, *layer);
  const auto p = layer->parameters();
  as_eigen(p[0].value.matrix()).bottomRows(options.width).setIdentity();
  as_eigen(p[2].value.matrix()).setIdentity();
  std::ranges::fill(p[1].value.values().last(std::size_t(options.width)), 0.);
  std::ranges::fill(p[3].value.values(), 0.);
  return layer;
}

TEST(MultiHeadAttention, UniformWeightsGiveTheMeanOfWhatIsSeenWhateverQueriesAndKeysHold) {
  const Index B = 2, T = 6, D = 4;
  const ThreadTeam team;
  for (const AttentionKernel kernel : kKernels) {
    for (const bool causal : {true, false}) {
      for (const bool rotary : {true, false}) {
        Random random(1);
        const auto layer = mixing_layer({.width = D,
                                         .heads = 2,
                                         .causal = causal,
                                         .kernel = kernel,
                                         .rotary = rotary,
                                         .uniform = true},
                                        random);
        const auto x = normal_tensor<double>(random, {B, T, D});
        const auto dy = normal_tensor<double>(random, {B, T, D});
        Tensor<double> y({B, T, D}), dx({B, T, D});
        layer->reserve({B, T}, Pass::kTrain, 1);
        layer->forward(team, x.sequence(), y.sequence(), Keep::kForBackward);
        // Sums of at most six numbers on either side, and projections of four.
        const double bound =
            2 * (6 + 8) * std::numeric_limits<double>::epsilon() * max_abs<double>(x.values());
        for (Index b = 0; b < B; ++b) {
          for (Index t = 0; t < T; ++t) {
            const auto seen = as_eigen(x.sequence().sequence(b)).topRows(causal ? t + 1 : T);
            const auto actual = as_eigen(y.sequence().sequence(b)).row(t);
            EXPECT_LE((actual - seen.colwise().mean()).cwiseAbs().maxCoeff(), bound);
          }
        }
        // Nothing moves the parameters of queries and keys.
        layer->backward(team, x.sequence(), std::as_const(y).sequence(), dy.sequence(),
                        dx.sequence());
        const auto p = layer->parameters();
        EXPECT_EQ(as_eigen(p[0].gradient.matrix()).topRows(2 * D).cwiseAbs().maxCoeff(), 0);
        EXPECT_GT(as_eigen(p[0].gradient.matrix()).bottomRows(D).cwiseAbs().maxCoeff(), 0);
        EXPECT_EQ(max_abs(std::span<const double>(p[1].gradient.values().first(2 * D))), 0);
      }
    }
  }
}

TEST(MultiHeadAttention, UniformWeightsGiveTheSameAtFewTokens) {
  const Index B = 2, T = 17, D = 4;
  const std::vector<Index> wanted{T - 1, 2 * T - 1};
  const ThreadTeam team;
  Random random(1);
  const auto layer =
      mixing_layer({.width = D, .heads = 2, .causal = true, .uniform = true}, random);
  const auto x = normal_tensor<double>(random, {B, T, D});
  const auto dy = normal_tensor<double>(random, {2, D});
  Tensor<double> y({2, D}), dx({B * T, D});
  layer->reserve({B, T}, Pass::kTrain, 1);
  const double elements = layer->row_scratch({B, T}, {.wanted = 2});
  ASSERT_GT(elements, 0);
  Tensor<double> scratch({Index(elements)});
  const RowPass<double> pass{.shape = {B, T},
                             .shared = {},
                             .wanted = wanted,
                             .x = x.sequence().tokens(),
                             .y = y.matrix(),
                             .scratch = scratch.data()};
  layer->forward_rows(team, pass, Keep::kForBackward);
  layer->backward_rows(team, pass, dy.matrix(), dx.matrix());
  for (Index b = 0; b < B; ++b) {
    const auto mean = as_eigen(x.sequence().sequence(b)).colwise().mean();
    const double bound =
        2 * (17 + 8) * std::numeric_limits<double>::epsilon() * max_abs<double>(x.values());
    EXPECT_LE((as_eigen(y.matrix()).row(b) - mean).cwiseAbs().maxCoeff(), bound);
    // Each token has 1/T of its sequence's gradient.
    for (Index t = 0; t < T; ++t) {
      const auto share = as_eigen(dy.matrix()).row(b) / double(T);
      EXPECT_LE((as_eigen(dx.matrix()).row(b * T + t) - share).cwiseAbs().maxCoeff(), bound);
    }
  }
  const auto p = layer->parameters();
  EXPECT_EQ(as_eigen(p[0].gradient.matrix()).topRows(2 * D).cwiseAbs().maxCoeff(), 0);
}

// Where everything has the same weight, a window gives the mean over it.
TEST(MultiHeadAttention, AWindowIsTheTokenAndItsNeighbours) {
  const Index T = 11, D = 4;
  for (const Index window : {1, 2, 8, 11, 12}) {
    for (const bool causal : {true, false}) {
      Random random(1);
      const auto layer = mixing_layer({.width = D,
                                       .heads = 2,
                                       .causal = causal,
                                       .kernel = AttentionKernel::kNaive,
                                       .uniform = true,
                                       .window = window},
                                      random);
      const auto x = normal_tensor<double>(random, {1, T, D});
      Tensor<double> y({1, T, D});
      layer->reserve({1, T}, Pass::kForward, 1);
      layer->forward(ThreadTeam(), x.sequence(), y.sequence(), Keep::kNothing);
      const double bound =
          2 * (11 + 8) * std::numeric_limits<double>::epsilon() * max_abs<double>(x.values());
      for (Index t = 0; t < T; ++t) {
        const Index first = std::max<Index>(t - window + 1, 0);
        const Index last = causal ? t : std::min(t + window - 1, T - 1);
        const auto seen = as_eigen(x.matrix()).middleRows(first, last - first + 1);
        EXPECT_LE((as_eigen(y.matrix()).row(t) - seen.colwise().mean()).cwiseAbs().maxCoeff(),
                  bound)
            << window << " at " << t;
      }
    }
  }
}

TEST(MultiHeadAttention, GradientsInAWindowEqualFiniteDifferences) {
  for (const bool causal : {true, false}) {
    const auto layer = make_attention<double>(
        {.width = 4, .heads = 2, .causal = causal, .kernel = AttentionKernel::kNaive, .window = 3});
    for (const Index steps : {1, 3, 4, 9}) check_gradients(*layer, {2, steps}, 1);
  }
}

constexpr Ablation kAblations[] = {Ablation::kFrozenQueriesAndKeys, Ablation::kUnscaled,
                                   Ablation::kIdentityValues, Ablation::kOneHead,
                                   Ablation::kNoSoftmax};

/// Of a layer with an ablation, or the whole, with any parameters.
AttentionOptions ablated(Ablation ablation, bool causal = true,
                         AttentionKernel kernel = AttentionKernel::kNaive) {
  return {.width = 6,
          .heads = 3,
          .causal = causal,
          .kernel = kernel,
          .ablation = ablation,
          .frozen_seed = 5};
}

/// y [B, T, D] of a layer.
RowMajorMatrix<double> output_of(SequenceLayer<double>& layer, const Tensor<double>& x) {
  const auto [B, T, D] = std::tuple(x.shape()[0], x.shape()[1], x.shape()[2]);
  Tensor<double> y({B, T, D});
  layer.reserve({B, T}, Pass::kForward, 1);
  layer.forward(ThreadTeam(), x.sequence(), y.sequence(), Keep::kNothing);
  return as_eigen(std::as_const(y).sequence().tokens());
}

TEST(MultiHeadAttention, GradientsWithoutAPartEqualFiniteDifferences) {
  for (const Ablation ablation : kAblations) {
    for (const AttentionKernel kernel : kKernels) {
      if (ablation == Ablation::kNoSoftmax && kernel == AttentionKernel::kFused) continue;
      for (const bool causal : {true, false}) {
        SCOPED_TRACE(int(ablation));
        const auto layer = make_attention<double>(ablated(ablation, causal, kernel));
        for (const Index steps : {1, 2, 9}) check_gradients(*layer, {2, steps}, 1);
      }
    }
  }
}

TEST(MultiHeadAttention, FrozenQueriesAndKeysAreNoParametersAndDifferByTheirSeed) {
  const Index T = 7, D = 6;
  const ThreadTeam team;
  Random random(1);
  const auto x = normal_tensor<double>(random, {2, T, D});
  const auto dy = normal_tensor<double>(random, {2, T, D});
  for (const AttentionKernel kernel : kKernels) {
    AttentionOptions options = ablated(Ablation::kFrozenQueriesAndKeys, true, kernel);
    const auto layer = make_attention<double>(options);
    randomise_parameters(random, *layer);
    const auto before = output_of(*layer, x);
    // What was drawn once stays, whatever the parameters become.
    const auto p = layer->parameters();
    fill_normal(random, p[0].value.values().first(std::size_t(2 * D * D)));
    fill_normal(random, p[1].value.values().first(std::size_t(2 * D)));
    EXPECT_EQ(output_of(*layer, x), before);
    Tensor<double> y({2, T, D}), dx({2, T, D});
    layer->reserve({2, T}, Pass::kTrain, 1);
    layer->forward(team, x.sequence(), y.sequence(), Keep::kForBackward);
    layer->backward(team, x.sequence(), std::as_const(y).sequence(), dy.sequence(), dx.sequence());
    EXPECT_EQ(as_eigen(p[0].gradient.matrix()).topRows(2 * D).cwiseAbs().maxCoeff(), 0);
    EXPECT_GT(as_eigen(p[0].gradient.matrix()).bottomRows(D).cwiseAbs().maxCoeff(), 0);
    // It is attention all the same: other weights attend elsewhere, and not to all alike.
    const auto copy_to = [&](AttentionOptions other) {
      auto made = make_attention<double>(other);
      copy_parameters(*layer, *made);
      return output_of(*made, x);
    };
    EXPECT_EQ(copy_to(options), before);
    options.frozen_seed = 6;
    EXPECT_GT((copy_to(options) - before).cwiseAbs().maxCoeff(), 1e-3);
    options.ablation = Ablation::kNone;
    options.uniform = true;
    EXPECT_GT((copy_to(options) - before).cwiseAbs().maxCoeff(), 1e-3);
  }
}

// The whole layer with some of its parameters changed computes the same.
TEST(MultiHeadAttention, WithoutTheScaleOrOwnValuesItIsTheWholeWithOtherWeights) {
  const Index T = 7, D = 6, d_k = 2;
  Random random(2);
  const auto x = normal_tensor<double>(random, {2, T, D});
  for (const AttentionKernel kernel : kKernels) {
    for (const Ablation ablation : {Ablation::kUnscaled, Ablation::kIdentityValues}) {
      const auto layer = make_attention<double>(ablated(ablation, true, kernel));
      const auto whole = make_attention<double>(ablated(Ablation::kNone, true, kernel));
      randomise_parameters(random, *layer);
      copy_parameters(*layer, *whole);
      EXPECT_GT((output_of(*layer, x) - output_of(*whole, x)).cwiseAbs().maxCoeff(), 1e-3);
      auto weight = as_eigen(whole->parameters()[0].value.matrix());
      auto bias = as_eigen(whole->parameters()[1].value.matrix());
      if (ablation == Ablation::kUnscaled) {
        weight.topRows(D) *= std::sqrt(double(d_k));
        bias.reshaped().head(D) *= std::sqrt(double(d_k));
      } else {
        weight.bottomRows(D).setIdentity();
        bias.reshaped().tail(D).setZero();
      }
      const auto expected = output_of(*whole, x);
      // Two projections of depth D, scores of depth d_k and a sum of T, on either side.
      const double tolerance = 2 * std::numeric_limits<double>::epsilon() *
                               double(3 * D + d_k + T) * expected.cwiseAbs().maxCoeff();
      EXPECT_LE((output_of(*layer, x) - expected).cwiseAbs().maxCoeff(), tolerance);
    }
  }
}

TEST(MultiHeadAttention, OneHeadIsTheLayerOfOneHead) {
  Random random(3);
  const auto x = normal_tensor<double>(random, {2, 7, 6});
  for (const AttentionKernel kernel : kKernels) {
    const auto layer = make_attention<double>(ablated(Ablation::kOneHead, true, kernel));
    const auto one =
        make_attention<double>({.width = 6, .heads = 1, .causal = true, .kernel = kernel});
    randomise_parameters(random, *layer);
    copy_parameters(*layer, *one);
    EXPECT_EQ(output_of(*layer, x), output_of(*one, x));
  }
}

TEST(MultiHeadAttention, WithoutASoftmaxWeightsAreTheScores) {
  const Index T = 5, D = 6, H = 3, d_k = 2;
  for (const bool causal : {true, false}) {
    const auto layer = make_attention<double>(ablated(Ablation::kNoSoftmax, causal));
    Random random(4);
    randomise_parameters(random, *layer);
    const auto x = normal_tensor<double>(random, {1, T, D});
    const auto p = layer->parameters();
    const RowMajorMatrix<double> qkv = affine(as_eigen(x.sequence().sequence(0)), p[0], p[1]);
    RowMajorMatrix<double> context(T, D);
    for (Index h = 0; h < H; ++h) {
      RowMajorMatrix<double> scores = qkv.middleCols(h * d_k, d_k) *
                                      qkv.middleCols(D + h * d_k, d_k).transpose() /
                                      std::sqrt(double(d_k));
      if (causal) scores = scores.triangularView<Eigen::Lower>().toDenseMatrix();
      context.middleCols(h * d_k, d_k) = scores * qkv.middleCols(2 * D + h * d_k, d_k);
    }
    const RowMajorMatrix<double> expected = affine(context, p[2], p[3]);
    // Projections of depth D at either end, scores and a sum of T products of three projections.
    const double tolerance = 2 * std::numeric_limits<double>::epsilon() * double(4 * D + d_k + T) *
                             expected.cwiseAbs().maxCoeff();
    EXPECT_LE((output_of(*layer, x) - expected).cwiseAbs().maxCoeff(), tolerance);
  }
}

// Turned queries and keys from the complex form of the definition: (q₀ + i·q₁)·e^(i·t·θ).
TEST(MultiHeadAttention, WithRotaryPositionsEqualsTheDefinition) {
  const Index T = 7, D = 8, H = 2, d_k = 4;
  for (const AttentionKernel kernel : kKernels) {
    const auto layer = make_attention<double>({D, H, true, kernel, true});
    Random random(2);
    randomise_parameters(random, *layer);
    const auto x = normal_tensor<double>(random, {1, T, D});
    Tensor<double> y({1, T, D});
    layer->reserve({1, T}, Pass::kForward, 1);
    layer->forward(ThreadTeam(), x.sequence(), y.sequence(), Keep::kNothing);

    const auto p = layer->parameters();
    const RowMajorMatrix<double> qkv = affine(as_eigen(x.sequence().sequence(0)), p[0], p[1]);
    const auto turned = [&](Index t, Index first, Index i) {
      const std::complex<double> pair(qkv(t, first + 2 * i), qkv(t, first + 2 * i + 1));
      return pair * std::polar(1.0, double(t) * std::pow(10000.0, -2.0 * double(i) / double(d_k)));
    };
    RowMajorMatrix<double> context = RowMajorMatrix<double>::Zero(T, D);
    for (Index h = 0; h < H; ++h) {
      for (Index t = 0; t < T; ++t) {
        double sum = 0;
        for (Index s = 0; s <= t; ++s) {
          double score = 0;
          for (Index i = 0; 2 * i < d_k; ++i) {
            const auto q = turned(t, h * d_k, i), k = turned(s, D + h * d_k, i);
            score += (q * std::conj(k)).real();
          }
          const double weight = std::exp(score / std::sqrt(double(d_k)));
          sum += weight;
          context.row(t).segment(h * d_k, d_k) += weight * qkv.row(s).segment(2 * D + h * d_k, d_k);
        }
        context.row(t).segment(h * d_k, d_k) /= sum;
      }
    }
    const RowMajorMatrix<double> expected = affine(context, p[2], p[3]);
    // As for the definition of each head, and angles of up to T whose rounding turns both factors.
    const double tolerance = 2 * std::numeric_limits<double>::epsilon() * double(4 * D + 4 * T) *
                             expected.cwiseAbs().maxCoeff();
    EXPECT_LE((expected - as_eigen(y.sequence().sequence(0))).cwiseAbs().maxCoeff(), tolerance);
  }
}

/// y, dx and all gradients of a train pass.
std::vector<Tensor<float>> train(SequenceLayer<float>& layer, SequenceShape shape,
                                 const ThreadTeam& team) {
  Random random(3);
  const auto x = normal_tensor<float>(random, {shape.batch, shape.steps, layer.width()});
  const auto dy = normal_tensor<float>(random, x.shape());
  std::vector<Tensor<float>> results;
  auto& y = results.emplace_back(x.shape());
  layer.forward(team, x.sequence(), y.sequence(), Keep::kForBackward);
  Tensor<float> dx(x.shape());
  layer.backward(team, x.sequence(), std::as_const(y).sequence(), dy.sequence(), dx.sequence());
  results.push_back(std::move(dx));
  std::ranges::move(copied_gradients(layer), std::back_inserter(results));
  return results;
}

TEST(MultiHeadAttention, IsBitEqualForAnyNumberOfThreads) {
  for (const AttentionKernel kernel : kKernels) {
    const auto layer = make_attention<float>({24, 2, true, kernel});
    Random random(4);
    layer->initialise(random);
    layer->reserve({2, 300}, Pass::kTrain, 1);
    const auto one = train(*layer, {2, 300}, ThreadTeam(1));
    for (const int threads : {2, 3, 4}) {
      layer->reserve({2, 300}, Pass::kTrain, threads);
      const auto several = train(*layer, {2, 300}, ThreadTeam(threads));
      for (std::size_t i = 0; i < one.size(); ++i) {
        EXPECT_TRUE(bit_equal(several[i], one[i])) << threads << " threads, result " << i;
      }
    }
  }
}

TEST(MultiHeadAttention, ServesSmallerShapesThanReserved) {
  for (const AttentionKernel kernel : kKernels) {
    const auto layer = make_attention<float>({8, 2, true, kernel});
    Random random(5);
    layer->initialise(random);
    layer->reserve({2, 129}, Pass::kTrain, 1);
    const auto exact = train(*layer, {2, 129}, ThreadTeam());
    // Both shapes leave the keys in chunks of one tile, so that not even the rounding differs.
    layer->reserve({3, 300}, Pass::kTrain, 2);
    const auto roomy = train(*layer, {2, 129}, ThreadTeam());
    for (std::size_t i = 0; i < exact.size(); ++i) EXPECT_TRUE(bit_equal(roomy[i], exact[i])) << i;
  }
}

TEST(MultiHeadAttention, StartsFromPyTorchsInitialValues) {
  const Index D = 32;
  const auto layer = make_attention<float>({.width = D, .heads = 2});
  Random random(6);
  layer->initialise(random);
  const auto parameters = layer->parameters();
  ASSERT_EQ(parameters.size(), 4u);
  const char* names[] = {"in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"};
  for (std::size_t p = 0; p < 4; ++p) EXPECT_EQ(parameters[p].name, names[p]);

  // xavier_uniform over [3D, D]; kaiming_uniform with a = √5 over [D, D].
  const double bounds[] = {std::sqrt(6.0 / double(4 * D)), 0, 1 / std::sqrt(double(D)), 0};
  for (std::size_t p = 0; p < 4; ++p) {
    const double largest = max_abs(std::as_const(parameters[p].value).values());
    EXPECT_LE(largest, float(bounds[p]));
    // Of 1024 draws all stay below 0.98 of the bound with a probability of 0.98¹⁰²⁴ ≈ 10⁻⁹.
    EXPECT_GE(largest, 0.98 * bounds[p]);
  }
}

TEST(MultiHeadAttention, DeclaresTheFlopsOfTheConvention) {
  const double B = 2, T = 100, D = 12;
  const SequenceShape shape{2, 100};
  const AttentionOptions full{.width = 12, .heads = 3}, causal{12, 3, true};
  const auto flops = [&](const AttentionOptions& options, Pass pass) {
    return attention_cost<float>(options, shape, pass, 1).flops;
  };
  EXPECT_EQ(flops(full, Pass::kForward), 8 * B * T * D * D + 4 * B * T * T * D);
  EXPECT_EQ(flops(causal, Pass::kForward), 8 * B * T * D * D + 2 * B * T * (T + 1) * D);
  EXPECT_EQ(flops(full, Pass::kTrain), 3 * flops(full, Pass::kForward));
  EXPECT_EQ(flops(causal, Pass::kDecode), 8 * B * D * D + 4 * B * (T + 1) * D);

  const LayerCost cost = attention_cost<float>(full, shape, Pass::kDecode, 1);
  EXPECT_EQ(cost.parameters, 4 * D * D + 4 * D);
  EXPECT_EQ(cost.state_bytes, 2 * B * (T + 1) * D * sizeof(float));
}

TEST(MultiHeadAttention, ReserveAllocatesWhatCostDeclares) {
  // Every buffer of these shapes is a whole number of 64-byte lines, to which Tensor rounds up.
  const SequenceShape shape{4, 192};
  for (const AttentionOptions& options :
       {AttentionOptions{64, 4, false, AttentionKernel::kNaive}, AttentionOptions{64, 4},
        AttentionOptions{64, 4, false, AttentionKernel::kFused, true}}) {
    const auto layer = make_attention<float>(options);
    for (const Pass pass : {Pass::kForward, Pass::kTrain, Pass::kDecode}) {
      for (const int workers : {1, 3}) {
        const long before = allocations().tensor_bytes;
        layer->reserve(shape, pass, workers);
        const double reserved = double(allocations().tensor_bytes - before);
        EXPECT_EQ(reserved, layer->cost(shape, pass, workers).workspace_bytes);
        EXPECT_EQ(reserved, attention_cost<float>(options, shape, pass, workers).workspace_bytes);
      }
    }
  }
}

TEST(MultiHeadAttention, NothingIsAllocatedOutsideReserve) {
  const SequenceShape shape{2, 70};
  const Tensor<float> x({2, 70, 16});
  Tensor<float> y(x.shape()), dx(x.shape());
  for (const int threads : {1, 2}) {
    const ThreadTeam team(threads);
    for (const AttentionKernel kernel : kKernels) {
      const auto layer = make_attention<float>({16, 2, true, kernel});
      for (const Pass pass : {Pass::kForward, Pass::kTrain, Pass::kDecode}) {
        layer->reserve(shape, pass, threads);
        const long before = allocations().calls;
        if (pass == Pass::kForward) {
          layer->forward(team, x.sequence(), y.sequence(), Keep::kNothing);
        } else if (pass == Pass::kTrain) {
          layer->forward(team, x.sequence(), y.sequence(), Keep::kForBackward);
          layer->backward(team, x.sequence(), std::as_const(y).sequence(), x.sequence(),
                          dx.sequence());
        } else {
          layer->prefill(team, x.sequence(), y.sequence());
          layer->decode(team, x.sequence().step(0), y.sequence().step(0));
        }
        EXPECT_EQ(allocations().calls - before, 0)
            << threads << " threads, kernel " << int(kernel) << ", pass " << int(pass);
      }
    }
  }
}

TEST(MultiHeadAttention, FusedMemoryGrowsWithLengthTimesWidthOnly) {
  const double T = 131072, D = 256;
  const AttentionOptions fused{.width = 256, .heads = 4};
  const AttentionOptions naive{.width = 256, .heads = 4, .kernel = AttentionKernel::kNaive};
  const auto bytes = [](const AttentionOptions& options, Pass pass) {
    return attention_cost<float>(options, {1, 131072}, pass, 2).workspace_bytes;
  };
  // Projection and context: 4·T·D; two statistics a row and head; for each of two workers a tile of
  // scores, and Qᵀ and Oᵀ of eight query tiles.
  const double Q = kQueryTile<float>, scratch = 2 * (double(kKeyTile) * Q + 8 * 2 * 64 * Q);
  const auto padded = [](double floats) { return padded_bytes(sizeof(float) * floats); };
  EXPECT_EQ(bytes(fused, Pass::kForward),
            sizeof(float) * (4 * T * D + 2 * 4 * T) + padded(scratch));
  // Train: their gradients too, dQ of 16/H = 4 chunks, the parameters.
  EXPECT_EQ(bytes(fused, Pass::kTrain),
            sizeof(float) * (8 * T * D + 2 * 4 * T + 4 * T * D + D * D + 4 * D) + padded(scratch) +
                padded(3 * D * D));
  EXPECT_GE(bytes(naive, Pass::kForward), sizeof(float) * 4 * T * T);
}

TEST(MultiHeadAttention, CostOfTheLargestRequestDoesNotOverflow) {
  constexpr Index kLargest = 2147483647;
  for (const AttentionKernel kernel : kKernels) {
    for (const Pass pass : {Pass::kForward, Pass::kTrain, Pass::kDecode}) {
      const LayerCost cost = attention_cost<float>({kLargest, kLargest, true, kernel},
                                                   {kLargest, kLargest}, pass, 1024);
      EXPECT_GE(cost.workspace_bytes, 4 * std::pow(2147483647.0, 3));
      EXPECT_TRUE(std::isfinite(cost.workspace_bytes) && std::isfinite(cost.flops));
    }
  }
}

TEST(MultiHeadAttention, RefusesHeadsThatDoNotDivideTheWidth) {
  for (const auto& [width, heads] : {std::pair<Index, Index>{8, 3}, {8, 0}, {8, -2}, {0, 1}}) {
    const AttentionOptions options{.width = width, .heads = heads};
    EXPECT_THROW(make_attention<float>(options), std::invalid_argument);
    EXPECT_THROW(attention_cost<float>(options, {}, Pass::kForward, 1), std::invalid_argument);
  }
  try {
    make_attention<float>({.width = 8, .heads = 3});
  } catch (const std::invalid_argument& error) {
    EXPECT_NE(std::string(error.what()).find("width 8, got 3"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace seqbench
