// One training step by one rank, and the same by several: ranks that are threads of this process.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "core/elementwise.h"
#include "harness/models/registry.h"
#include "harness/ranks/local_communicator.h"
#include "harness/ranks/rank_layer.h"
#include "tests/test_data.h"

namespace seqbench {

/// Parameters, x and dy that a seed draws.
template <typename T>
struct StepData {
  std::vector<Tensor<T>> parameters;
  Tensor<T> x, dy;  // [B, T, D]
};

template <typename T>
StepData<T> draw_step(const LayerSpec& spec, SequenceShape shape) {
  Random random(21);
  StepData<T> data;
  const auto layer = make_layer<T>(spec);
  randomise_parameters(random, *layer);
  for (Parameter<T>& parameter : layer->parameters()) {
    data.parameters.push_back(std::move(parameter.value));
  }
  data.x = normal_tensor<T>(random, {shape.batch, shape.steps, spec.width});
  data.dy = normal_tensor<T>(random, {shape.batch, shape.steps, spec.width});
  return data;
}

template <typename T>
void give_parameters(const StepData<T>& data, std::span<Parameter<T>> parameters) {
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    std::ranges::copy(data.parameters[p].values(), parameters[p].value.data());
  }
}

/// Everything that one training step gives.
template <typename T>
struct StepResult {
  Tensor<T> y, dx;
  std::vector<Tensor<T>> gradients;
};

template <typename T>
StepResult<T> step_on_one_rank(const LayerSpec& spec, SequenceShape shape) {
  const ThreadTeam team;
  const StepData<T> data = draw_step<T>(spec, shape);
  const auto layer = make_layer<T>(spec);
  give_parameters(data, layer->parameters());
  StepResult<T> result{Tensor<T>(data.x.shape()), Tensor<T>(data.x.shape()), {}};
  layer->reserve(shape, Pass::kTrain, 1);
  layer->forward(team, data.x.sequence(), result.y.sequence(), Keep::kForBackward);
  layer->backward(team, data.x.sequence(), result.y.sequence(), data.dy.sequence(),
                  result.dx.sequence());
  result.gradients = copied_gradients<T>(layer->parameters());
  return result;
}

/// Calls body(rows of the whole, rows of the share) for each piece of a rank's tokens.
template <typename T, typename Body>
void for_each_piece(Tensor<T>& whole, Tensor<T>& own, const RankShare& share, const Body& body) {
  for (Index b = 0; b < share.batch.count; ++b) {
    Index row = 0;
    for (const Part& steps : share.steps) {
      body(whole.sequence().sequence(share.batch.first + b).row_block(steps.first, steps.count),
           own.sequence().sequence(b).row_block(row, steps.count));
      row += steps.count;
    }
  }
}

template <typename T>
Tensor<T> own_part(const Tensor<T>& whole, const RankShare& share) {
  const SequenceShape shape = share.shape();
  Tensor<T> own({shape.batch, shape.steps, whole.shape()[2]});
  for_each_piece(const_cast<Tensor<T>&>(whole), own, share,
                 [](MatrixView<T> from, MatrixView<T> to) { copy<T>(from, to); });
  return own;
}

template <typename T>
using RankLayerMaker = std::unique_ptr<RankLayer<T>> (*)(const LayerSpec&, Communicator&);

/// What each of several ranks does, of which every one has its own layer.
struct RankRun {
  int ranks = 1;
  int threads = 1;  // of each rank
  int steps = 1;    // training steps, of which the last one's results are taken
};

/// A training step by all of them, put together. Everything that they must assign holds NaN before;
/// all ranks must have the same gradients.
template <typename T>
StepResult<T> step_over_ranks(RankLayerMaker<T> make, const LayerSpec& spec, SequenceShape shape,
                              const RankRun& run) {
  constexpr T kNaN = std::numeric_limits<T>::quiet_NaN();
  const StepData<T> data = draw_step<T>(spec, shape);
  StepResult<T> result{Tensor<T>(data.x.shape()), Tensor<T>(data.x.shape()), {}};
  std::ranges::fill(result.y.values(), kNaN);
  std::ranges::fill(result.dx.values(), kNaN);
  std::vector<std::vector<Tensor<T>>> gradients(std::size_t(run.ranks));
  run_local_ranks(run.ranks, [&](Communicator& ranks) {
    const ThreadTeam team(run.threads);
    const auto layer = make(spec, ranks);
    give_parameters(data, layer->parameters());
    layer->reserve(shape, Pass::kTrain, run.threads);
    const RankShare share = layer->share();
    const Tensor<T> x = own_part(data.x, share), dy = own_part(data.dy, share);
    Tensor<T> y(x.shape()), dx(x.shape());
    for (int step = 0; step < run.steps; ++step) {
      std::ranges::fill(y.values(), kNaN);
      std::ranges::fill(dx.values(), kNaN);
      for (Parameter<T>& parameter : layer->parameters()) {
        std::ranges::fill(parameter.gradient.values(), kNaN);
      }
      layer->forward(team, x.sequence(), y.sequence(), Keep::kForBackward);
      layer->backward(team, x.sequence(), std::as_const(y).sequence(), dy.sequence(),
                      dx.sequence());
    }
    const auto give = [](MatrixView<T> to, MatrixView<T> from) { copy<T>(from, to); };
    for_each_piece(result.y, y, share, give);
    for_each_piece(result.dx, dx, share, give);
    gradients[std::size_t(ranks.rank())] = copied_gradients<T>(layer->parameters());
  });
  for (const auto& of_rank : gradients) {
    for (std::size_t p = 0; p < of_rank.size(); ++p) {
      EXPECT_TRUE(bit_equal(of_rank[p], gradients[0][p])) << p;
    }
  }
  result.gradients = std::move(gradients[0]);
  return result;
}

/// Forward alone, as a layer that is reserved for no more computes it.
template <typename T>
Tensor<T> forward_over_ranks(RankLayerMaker<T> make, const LayerSpec& spec, SequenceShape shape,
                             const RankRun& run) {
  const StepData<T> data = draw_step<T>(spec, shape);
  Tensor<T> result(data.x.shape());
  std::ranges::fill(result.values(), std::numeric_limits<T>::quiet_NaN());
  run_local_ranks(run.ranks, [&](Communicator& ranks) {
    const ThreadTeam team(run.threads);
    const auto layer = make(spec, ranks);
    give_parameters(data, layer->parameters());
    layer->reserve(shape, Pass::kForward, run.threads);
    const RankShare share = layer->share();
    const Tensor<T> x = own_part(data.x, share);
    Tensor<T> y(x.shape());
    for (int step = 0; step < run.steps; ++step) {
      std::ranges::fill(y.values(), std::numeric_limits<T>::quiet_NaN());
      layer->forward(team, x.sequence(), y.sequence(), Keep::kNothing);
    }
    for_each_piece(result, y, share,
                   [](MatrixView<T> to, MatrixView<T> from) { copy<T>(from, to); });
  });
  return result;
}

template <typename T>
void expect_bit_equal(const StepResult<T>& a, const StepResult<T>& b) {
  EXPECT_TRUE(bit_equal(a.y, b.y));
  EXPECT_TRUE(bit_equal(a.dx, b.dx));
  for (std::size_t p = 0; p < a.gradients.size(); ++p) {
    EXPECT_TRUE(bit_equal(a.gradients[p], b.gradients[p])) << p;
  }
}

/// Two ways of one step differ by no more than rounding. An output or a gradient is a chain of
/// `depth` roundings on either side, each of at most four units in the last place of the largest
/// element (exponentials and quotients among them); a parameter's gradient sums all tokens on top.
template <typename T>
void expect_equal_within_rounding(const StepResult<T>& ours, const StepResult<T>& expected,
                                  double depth) {
  const double tokens = double(expected.y.shape()[0] * expected.y.shape()[1]);
  const auto expect_close = [](const Tensor<T>& a, const Tensor<T>& b, double roundings,
                               const std::string& what) {
    const double bound =
        4 * double(std::numeric_limits<T>::epsilon()) * roundings * max_abs(b.values());
    EXPECT_LE(max_difference(a, b), bound) << what;
  };
  expect_close(ours.y, expected.y, depth, "y");
  expect_close(ours.dx, expected.dx, depth, "dx");
  for (std::size_t p = 0; p < expected.gradients.size(); ++p) {
    expect_close(ours.gradients[p], expected.gradients[p], depth + tokens,
                 "gradient " + std::to_string(p));
  }
}

/// What each rank sends in a pass of the pass's kind, sums left out.
inline std::vector<double> bytes_sent_by_ranks(RankLayerMaker<float> make, const LayerSpec& spec,
                                               SequenceShape shape, Pass pass, int ranks_) {
  std::vector<double> bytes(std::size_t(ranks_), 0.0);
  run_local_ranks(ranks_, [&](Communicator& ranks) {
    const ThreadTeam team;
    const auto layer = make(spec, ranks);
    layer->reserve(shape, pass, 1);
    const SequenceShape own = layer->share().shape();
    const Tensor<float> x({own.batch, own.steps, spec.width});
    Tensor<float> y(x.shape()), dx(x.shape());
    double& sent = bytes[std::size_t(ranks.rank())];
    ranks.take_traffic();
    layer->forward(team, x.sequence(), y.sequence(),
                   pass == Pass::kTrain ? Keep::kForBackward : Keep::kNothing);
    if (pass == Pass::kTrain) {
      layer->backward(team, x.sequence(), std::as_const(y).sequence(), x.sequence(), dx.sequence());
    }
    sent += ranks.take_traffic().bytes_sent;
    if (pass != Pass::kTrain) return;
    for (Parameter<float>& parameter : layer->parameters()) ranks.sum(parameter.gradient.values());
    sent -= ranks.take_traffic().bytes_sent;
  });
  return bytes;
}

}  // namespace seqbench
