#include "rnn/persistent_loop.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <thread>
#include <utility>
#include <vector>

#include "core/elementwise.h"
#include "rnn/elman.h"
#include "rnn/gru.h"
#include "rnn/lstm.h"
#include "tests/rnn/recurrent_cases.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

/// A training step by the kernel on so many workers, all of them in the loop although they share
/// one CPU; on a thread of its own, since pinning outlives the team.
TrainingResult<float> train_on(const RecurrentModel& model, SequenceShape shape, Index width,
                               int workers) {
  TrainingResult<float> result;
  std::thread([&] {
    const std::vector<int> cpus(static_cast<std::size_t>(workers), sched_getcpu());
    const auto layer = model.make<float>({.width = width, .kernel = RecurrentKernel::kPersistent});
    const ThreadTeam team(workers, cpus);
    EXPECT_EQ(team.concurrency(), workers);
    result = train_once(*layer, shape, team);
  }).join();
  return result;
}

/// y of the persistent kernel, of an input of so many channels, by a layer that was reserved for
/// `pass`.
std::vector<float> infer(const RecurrentModel& model, const RecurrentOptions& options,
                         SequenceShape shape, Index channels, Pass pass, int workers) {
  Random data(7);
  const Tensor<float> x = normal_tensor<float>(data, {shape.batch, shape.steps, channels});
  Tensor<float> y({shape.batch, shape.steps, options.width});
  std::thread([&] {
    const std::vector<int> cpus(static_cast<std::size_t>(workers), sched_getcpu());
    const auto layer = model.make<float>(options);
    Random random(3);
    layer->initialise(random);
    layer->reserve(shape, pass, workers);
    layer->forward(ThreadTeam(workers, cpus), x.sequence(), y.sequence(),
                   pass == Pass::kTrain ? Keep::kForBackward : Keep::kNothing);
  }).join();
  return {y.values().begin(), y.values().end()};
}

// One unit; one more and one less than whole vectors and blocks; batches on either side of the
// choice between sharing units and sequences, and of several groups; weights in several pieces.
const std::pair<SequenceShape, Index> kCases[] = {
    {{1, 1}, 1},  {{1, 9}, 1},   {{2, 5}, 15},  {{1, 7}, 33},   {{3, 4}, 50},
    {{1, 3}, 65}, {{7, 3}, 130}, {{13, 2}, 31}, {{100, 2}, 17}, {{9, 3}, 260},
};

TEST(PersistentLoop, MatchesHoistedForOddShapes) {
  for (const RecurrentModel& model : {kElman, kLstm, kGru}) {
    for (const auto& [shape, D] : kCases) {
      const auto persistent = train_on(model, shape, D, 2);
      const auto hoisted =
          train_once(*model.make<float>({.width = D, .kernel = RecurrentKernel::kHoisted}), shape);
      expect_equal_within_rounding(persistent, hoisted, shape, D, model.name);
    }
  }
}

TEST(PersistentLoop, IsBitEqualHoweverTheWorkIsShared) {
  for (const RecurrentModel& model : {kElman, kLstm, kGru}) {
    for (const auto& [shape, D] : kCases) {
      const auto alone = train_on(model, shape, D, 1);
      for (const int workers : {1, 2, 3, 5}) {
        SCOPED_TRACE(model.name + " B=" + std::to_string(shape.batch) + " D=" + std::to_string(D) +
                     " workers=" + std::to_string(workers));
        expect_bit_equal(train_on(model, shape, D, workers), alone);
      }
    }
  }
}

// The loop multiplies the input of inference itself: windows of one step, of many, and one that
// ends early; sequences in groups and alone; an input of fewer channels, of few of them.
TEST(PersistentLoop, MultipliesItsInputWindowByWindow) {
  const std::pair<SequenceShape, Index> cases[] = {
      {{1, 40}, 5}, {{16, 31}, 64}, {{17, 45}, 130}, {{3, 200}, 65}, {{60, 13}, 33}};
  for (const RecurrentModel& model : {kElman, kLstm, kGru}) {
    for (const auto& [shape, D] : cases) {
      for (const Index channels : {D, D / 2, Index{3}}) {
        for (const Factors factors : {Factors::kAsTheyAre, Factors::kBfloat16}) {
          SCOPED_TRACE(model.name + " B=" + std::to_string(shape.batch) +
                       " T=" + std::to_string(shape.steps) + " D=" + std::to_string(D) +
                       " C=" + std::to_string(channels) +
                       (factors == Factors::kBfloat16 ? " bfloat16" : ""));
          const RecurrentOptions options{.width = D, .factors = factors};
          const auto first = infer(model, options, shape, channels, Pass::kTrain, 1);
          for (const int workers : {1, 2, 3}) {
            EXPECT_EQ(infer(model, options, shape, channels, Pass::kForward, workers), first);
          }
        }
      }
    }
  }
}

/// Makes a layer in bfloat16.
auto rounded_layer(const RecurrentModel& model, RecurrentKernel kernel, Index width) {
  return [&model, kernel, width](auto scalar) {
    return model.make<decltype(scalar)>(
        {.width = width, .kernel = kernel, .factors = Factors::kBfloat16});
  };
}

TEST(PersistentLoop, InBfloat16MatchesRoundedProductsInDouble) {
  for (const RecurrentModel& model : {kElman, kLstm, kGru}) {
    for (const auto& [shape, D] : kCases) {
      const auto ours =
          train_rounded<float>(rounded_layer(model, RecurrentKernel::kPersistent, D), shape, 2);
      const auto exact =
          train_rounded<double>(rounded_layer(model, RecurrentKernel::kHoisted, D), shape, 1);
      expect_close_as_rounded(ours, exact, shape, D, model.name);
    }
  }
}

TEST(PersistentLoop, InBfloat16IsBitEqualHoweverTheWorkIsShared) {
  for (const RecurrentModel& model : {kElman, kLstm, kGru}) {
    for (const auto& [shape, D] : kCases) {
      const auto layer = rounded_layer(model, RecurrentKernel::kPersistent, D);
      const auto alone = train_rounded<float>(layer, shape, 1);
      for (const int workers : {2, 3, 5}) {
        SCOPED_TRACE(model.name + " D=" + std::to_string(D) + ", " + std::to_string(workers));
        expect_bit_equal(train_rounded<float>(layer, shape, workers), alone);
      }
    }
  }
}

// Whatever meets x or a weight as a factor sees it rounded, in every product.
TEST(PersistentLoop, InBfloat16RoundedFactorsGiveTheSameBits) {
  for (const RecurrentModel& model : {kElman, kLstm, kGru}) {
    for (const auto& [shape, D] : kCases) {
      const auto layer = rounded_layer(model, RecurrentKernel::kPersistent, D);
      SCOPED_TRACE(model.name + " D=" + std::to_string(D));
      expect_bit_equal(train_rounded<float>(layer, shape, 2, /*is_held=*/true),
                       train_rounded<float>(layer, shape, 2));
    }
  }
}

TEST(PersistentLoop, InBfloat16ForgetsWhatItReadBefore) {
  const SequenceShape shape{.batch = 3, .steps = 5};
  const Index D = 33;
  for (const RecurrentModel& model : {kElman, kLstm, kGru}) {
    const auto layer = rounded_layer(model, RecurrentKernel::kPersistent, D)(float());
    Random random(3);
    randomise_parameters(random, *layer);
    const auto x = normal_tensor<float>(random, {shape.batch, shape.steps, D});
    const auto other = normal_tensor<float>(random, {shape.batch, shape.steps, D});
    Tensor<float> first(x.shape()), between(x.shape()), again(x.shape());
    layer->reserve(shape, Pass::kForward, 1);
    layer->forward(ThreadTeam(), x.sequence(), first.sequence(), Keep::kNothing);
    layer->forward(ThreadTeam(), other.sequence(), between.sequence(), Keep::kNothing);
    layer->forward(ThreadTeam(), x.sequence(), again.sequence(), Keep::kNothing);
    EXPECT_TRUE(bit_equal(again, first)) << model.name;
  }
}

TEST(PersistentLoop, AdvancesWithFarMoreWorkersThanCpus) {
  const SequenceShape shape{.batch = 1, .steps = 10};
  const Index D = 12 * unit_lanes<float>();  // a vector of units for each worker
  expect_bit_equal(train_on(kLstm, shape, D, 12), train_on(kLstm, shape, D, 1));
}

/// The loop's own memory, and a segment's tensors.
template <typename C>
struct LoopMemory {
  static constexpr Index G = C::kGates, K = C::kKept;
  using Double = Tensor<double>;

  SequenceShape shape;
  Index D;
  Double gates, kept, y, packed, bias, h, u, du;

  LoopMemory(SequenceShape shape_, Index width)
      : shape(shape_),
        D(width),
        gates({shape.batch, shape.steps, G * D}),
        kept({shape.batch, shape.steps, std::max<Index>(1, K * D)}),
        y({shape.batch, shape.steps, D}),
        packed({G * D, UnitCut<double>{.width = D}.columns()}),
        bias({G * UnitCut<double>{.width = D}.columns()}),
        h({2, shape.batch, state_stride<double>(D)}),
        u({1, shape.batch, forward_block_columns<C>()}),
        du({2, shape.batch, state_stride<double>(G * D)}) {}

  SequenceView<double> kept_steps() { return {kept.data(), shape.batch, shape.steps, K * D}; }
};

/// Of [B, T, ·], steps [first, first + count).
Tensor<double> steps_of(const Tensor<double>& x, Index first, Index count) {
  const SequenceView<const double> all = x.sequence();
  Tensor<double> some({all.batch, count, all.width});
  for (Index t = 0; t < count; ++t) copy(all.step(first + t), some.sequence().step(t));
  return some;
}

/// The gradient that a state hands back is exact: segments, each from the state of the one before
/// and with the gradient of the one behind, are one long loop.
template <typename C>
void expect_segments_hand_gradients_back(Index D) {
  constexpr Index B = 3, T = 12, G = C::kGates;
  const ThreadTeam team;
  Random random(4);
  const double deviation = 1 / std::sqrt(double(D));
  const auto weight = normal_tensor<double>(random, {G * D, D}, deviation);
  const auto bias = normal_tensor<double>(random, {G * D});
  const auto a = normal_tensor<double>(random, {B, T, G * D});
  const auto dy = normal_tensor<double>(random, {B, T, D});
  const Tensor<double> zeros({B, 2 * D});
  Tensor<double> dh({B, D}), dkept({B, D});

  const auto forward = [&](LoopMemory<C>& memory, MatrixView<const double> start) {
    PersistentLoop<C>::forward(team, {.weight_hh = weight.matrix(),
                                      .bias_hh = bias.data(),
                                      .gates = memory.gates.sequence(),
                                      .shared = {},
                                      .kept = memory.kept_steps(),
                                      .y = memory.y.sequence(),
                                      .keeps = true,
                                      .h_start = start.column_block(0, D),
                                      .kept_start = start.column_block(D, D),
                                      .packed_weights = memory.packed.data(),
                                      .packed_bias = memory.bias.data(),
                                      .h = memory.h.data(),
                                      .rounded_h = nullptr,
                                      .u = memory.u.data()});
  };
  // Leaves da in the gates, and the gradient of the state before in dh and dkept.
  const auto backward = [&](LoopMemory<C>& memory, MatrixView<const double> start,
                            const Tensor<double>& dy_steps) {
    const PersistentBackward<double> loop{.weight_hh = weight.matrix(),
                                          .y = std::as_const(memory.y).sequence(),
                                          .dy = dy_steps.sequence(),
                                          .gates = memory.gates.sequence(),
                                          .kept = memory.kept_steps(),
                                          .h_start = start.column_block(0, D),
                                          .kept_start = start.column_block(D, D),
                                          .packed_weights = memory.packed.data(),
                                          .du = memory.du.data(),
                                          .rounded_du = nullptr,
                                          .dh = dh.matrix(),
                                          .dkept = dkept.matrix()};
    PersistentLoop<C>::backward(team, loop);
    PersistentLoop<C>::add_start_gradient(team, loop);
  };

  LoopMemory<C> whole({B, T}, D);
  std::ranges::copy(a.values(), whole.gates.data());
  forward(whole, zeros.matrix());

  std::vector<LoopMemory<C>> segments;
  std::vector<Tensor<double>> starts;
  const std::vector<Part> parts{{0, 5}, {5, 1}, {6, 6}};
  for (const Part& part : parts) {
    segments.emplace_back(SequenceShape{B, part.count}, D);
    LoopMemory<C>& segment = segments.back();
    std::ranges::copy(steps_of(a, part.first, part.count).values(), segment.gates.data());
    starts.emplace_back(zeros.shape());
    if (segments.size() > 1) {
      LoopMemory<C>& before = segments[segments.size() - 2];
      const Index last = before.shape.steps - 1;
      copy<double>(before.y.sequence().step(last), starts.back().matrix().column_block(0, D));
      if (C::kCarriesKept) {
        copy<double>(before.kept_steps().step(last), starts.back().matrix().column_block(D, D));
      }
    }
    forward(segment, starts.back().matrix());
  }

  backward(whole, zeros.matrix(), dy);
  Tensor<double> dh_whole({B, D}), dkept_whole({B, D});
  std::swap(dh, dh_whole);
  std::swap(dkept, dkept_whole);
  for (std::size_t i = parts.size(); i-- > 0;) {
    backward(segments[i], starts[i].matrix(), steps_of(dy, parts[i].first, parts[i].count));
    const auto expected = steps_of(whole.gates, parts[i].first, parts[i].count);
    EXPECT_LE(max_difference(segments[i].gates, expected),
              rounding_bound<double>({B, T}, D, max_abs(std::as_const(whole.gates).values())))
        << i;
  }
  EXPECT_LE(max_difference(dh, dh_whole),
            rounding_bound<double>({B, T}, D, max_abs(std::as_const(dh_whole).values())));
  EXPECT_LE(max_difference(dkept, dkept_whole),
            rounding_bound<double>({B, T}, D, max_abs(std::as_const(dkept_whole).values())));
}

TEST(PersistentLoop, SegmentsThatHandTheGradientBackAreOneLongLoop) {
  for (const Index D : {1, 7, 33}) {
    expect_segments_hand_gradients_back<Elman<double>>(D);
    expect_segments_hand_gradients_back<Lstm<double>>(D);
    expect_segments_hand_gradients_back<Gru<double>>(D);
  }
}

}  // namespace
}  // namespace seqbench
