#include "rnn/mingru.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "rnn/mingru_layer.h"
#include "tests/rnn/cell_reference.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

double candidate_of(Candidate candidate, double v) {
  if (candidate == Candidate::kLinear) return v;
  return v >= 0 ? v + 0.5 : logistic(v);
}

/// W·x + b of one token, in double.
template <typename T>
Vector affine(SequenceLayer<T>& layer, const T* x) {
  const Tensor<T>&weight = layer.parameters()[0].value, &bias = layer.parameters()[1].value;
  Vector a(bias.values().begin(), bias.values().end());
  for (Index row = 0; row < weight.shape()[0]; ++row) {
    for (Index i = 0; i < layer.width(); ++i) {
      a[std::size_t(row)] += double(weight.matrix()(row, i)) * double(x[i]);
    }
  }
  return a;
}

template <typename T>
void expect_forward_matches_the_formula(const MinGruOptions& options, SequenceShape shape) {
  const Index D = options.width;
  const auto layer = make_mingru<T>(options);
  const ThreadTeam team;
  Random random(3);
  randomise_parameters(random, *layer);
  const Tensor<T> x = normal_tensor<T>(random, {shape.batch, shape.steps, D});
  Tensor<T> y({shape.batch, shape.steps, D});
  Tensor<double> expected({shape.batch, shape.steps, D});
  layer->reserve(shape, Pass::kForward, team.size());
  layer->forward(team, x.sequence(), y.sequence(), Keep::kNothing);
  for (Index b = 0; b < shape.batch; ++b) {
    Vector h(static_cast<std::size_t>(D));
    for (Index t = 0; t < shape.steps; ++t) {
      const Vector a = affine(*layer, x.sequence().sequence(b).row(t));
      for (std::size_t j = 0; j < h.size(); ++j) {
        const double z = logistic(a[j]);
        h[j] = (1 - z) * h[j] + z * candidate_of(options.candidate, a[h.size() + j]);
        expected.sequence().sequence(b)(t, Index(j)) = h[j];
      }
    }
  }
  const double argument = std::sqrt(double(D)) * (max_abs(x.values()) + 1);
  EXPECT_LE(max_difference(y, expected), rounding_bound<T>(shape, D, argument))
      << "B=" << shape.batch << " T=" << shape.steps << " D=" << D;
}

TEST(MinGru, ForwardMatchesTheFormula) {
  for (const MinGruKernel kernel : {MinGruKernel::kStepwise, MinGruKernel::kScan}) {
    for (const Candidate candidate : {Candidate::kPositive, Candidate::kLinear}) {
      for (const SequenceShape shape : {SequenceShape{1, 1}, SequenceShape{3, 7}}) {
        for (const Index D : {1, 5, 33}) {
          const MinGruOptions options{.width = D, .kernel = kernel, .candidate = candidate};
          expect_forward_matches_the_formula<float>(options, shape);
          expect_forward_matches_the_formula<double>(options, shape);
        }
      }
    }
  }
}

/// g(v) and g′(v) of a single element.
template <Candidate kCandidate>
std::pair<double, double> candidate_and_slope(double v) {
  const hn::CappedTag<double, 1> d;
  const auto c = mingru_candidate<kCandidate>(d, hn::Set(d, v));
  return {hn::GetLane(c), hn::GetLane(mingru_candidate_slope<kCandidate>(d, c))};
}

TEST(MinGru, CandidatesAndTheirSlopesAreThoseOfThePaper) {
  constexpr double kUlp = std::numeric_limits<double>::epsilon();
  for (const double v : {-40., -3., -1e-3, 0., 1e-3, 2., 1e6}) {
    const double c = candidate_of(Candidate::kPositive, v);
    const auto [positive, slope] = candidate_and_slope<Candidate::kPositive>(v);
    EXPECT_NEAR(positive, c, 4 * kUlp * c) << v;  // sigmoid's bound
    EXPECT_NEAR(slope, v < 0 ? c * (1 - c) : 1, 8 * kUlp) << v;
    EXPECT_EQ(candidate_and_slope<Candidate::kLinear>(v), std::pair(v, 1.0));
  }
}

/// A layer of one unit whose gate is wide open where x is large, shut where it is small.
template <typename T>
std::unique_ptr<SequenceLayer<T>> switch_layer(MinGruKernel kernel) {
  auto layer = make_mingru<T>({.width = 1, .kernel = kernel});
  layer->parameters()[0].value[kMinGruZ] = 1;
  layer->parameters()[0].value[kMinGruH] = T(1e-3);
  return layer;
}

// 1e5 steps of gates that are 0 or 1 in float: the state is what an open gate has let in last.
TEST(MinGru, GatesAtTheirLimitsKeepOrReplaceTheStateExactly) {
  const ThreadTeam team;
  constexpr Index T = 100'000;
  for (const MinGruKernel kernel : {MinGruKernel::kStepwise, MinGruKernel::kScan}) {
    const auto layer = switch_layer<float>(kernel);
    Tensor<float> x({1, T, 1}), y({1, T, 1}), dx({1, T, 1}), dy({1, T, 1});
    for (Index t = 0; t < T; ++t) x[t] = t % 1000 == 0 ? 1e3f : -1e3f;
    std::ranges::fill(dy.values(), 1.f);
    layer->reserve({1, T}, Pass::kTrain, team.size());
    layer->forward(team, x.sequence(), y.sequence(), Keep::kForBackward);
    for (Index t = 0; t < T; ++t) ASSERT_EQ(y[t], 1.5f) << t;  // g(1e-3 · 1e3)
    layer->backward(team, x.sequence(), std::as_const(y).sequence(), dy.sequence(), dx.sequence());
    // Each open gate's candidate is seen by 1000 steps; saturated gates let no gradient through.
    for (Index t = 0; t < T; ++t) {
      ASSERT_NEAR(dx[t], t % 1000 == 0 ? 1.f : 0.f, 1e-6f) << t;
    }
  }
}

TEST(MinGru, AShutGateKeepsTheStateForEver) {
  const ThreadTeam team;
  constexpr Index T = 100'000;
  const auto layer = switch_layer<float>(MinGruKernel::kScan);
  Tensor<float> x({1, T, 1}), y({1, T, 1});
  std::ranges::fill(x.values(), -1e3f);
  x[0] = 1e3f;
  layer->reserve({1, T}, Pass::kForward, team.size());
  layer->forward(team, x.sequence(), y.sequence(), Keep::kNothing);
  EXPECT_EQ(y[0], 1.5f);
  EXPECT_EQ(y[T - 1], 1.5f);
}

}  // namespace
}  // namespace seqbench
