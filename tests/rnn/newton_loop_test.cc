#include "rnn/newton_loop.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <cstdlib>
#include <thread>

#include "rnn/elman.h"
#include "rnn/gru.h"
#include "rnn/lstm.h"
#include "tests/rnn/recurrent_cases.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

struct TrainedBy {
  TrainingResult<float> result;
  SweepCounts counts;
};

TrainedBy train_by(const RecurrentModel& model, RecurrentKernel kernel, SequenceShape shape,
                   Index width, double scale, const ThreadTeam& team = ThreadTeam()) {
  const auto layer = model.make<float>({.width = width, .kernel = kernel});
  TrainedBy trained{train_once(*layer, shape, team, scale), {}};
  trained.counts = layer->sweep_counts();
  return trained;
}

void expect_bit_equal(const TrainingResult<float>& a, const TrainingResult<float>& b) {
  EXPECT_TRUE(bit_equal(a.y, b.y));
  EXPECT_TRUE(bit_equal(a.dx, b.dx));
  for (std::size_t p = 0; p < a.gradients.size(); ++p) {
    EXPECT_TRUE(bit_equal(a.gradients[p], b.gradients[p])) << p;
  }
}

/// Of both kernels. A window leaves an error of sweep_bound() at most where a step's rounding is
/// of that size itself; those of all its steps are in rounding_bound().
void expect_equal_to_persistent(SequenceShape shape, Index width, double scale) {
  for (const RecurrentModel& model : {kElman, kLstm, kGru}) {
    SCOPED_TRACE(model.name + " × " + std::to_string(scale));
    const TrainedBy newton = train_by(model, RecurrentKernel::kNewton, shape, width, scale);
    const TrainedBy persistent = train_by(model, RecurrentKernel::kPersistent, shape, width, scale);
    EXPECT_EQ(newton.counts.windows, 2 * parts_in(shape.steps, NewtonRules().window));
    EXPECT_EQ(persistent.counts.windows, 0);
    expect_equal_within_rounding(newton.result, persistent.result, shape, width, model.name);
  }
}

TEST(NewtonLoop, MatchesPersistentAroundTheEndOfAWindow) {
  for (const double scale : {1.0, 6.0}) {
    for (const Index T : {1, 2, 31, 32, 33, 63, 64, 65}) {
      for (const Index B : {1, 3, 16}) {
        for (const Index D : {1, 20}) expect_equal_to_persistent({B, T}, D, scale);
      }
    }
  }
}

TEST(NewtonLoop, MatchesPersistentForWideLayers) {
  for (const double scale : {1.0, 6.0}) {
    expect_equal_to_persistent({1, 65}, 256, scale);
    expect_equal_to_persistent({3, 64}, 256, scale);
    expect_equal_to_persistent({1, 65}, 1024, scale);
  }
}

TEST(NewtonLoop, MatchesPersistentOverManyWindows) {
  for (const double scale : {1.0, 6.0}) {
    expect_equal_to_persistent({1, 4096}, 20, scale);
    expect_equal_to_persistent({3, 4096}, 1, scale);
  }
}

// Every combination: minutes, most of them for 65,536 tokens of width 1024. scripts/test --all.
TEST(NewtonLoop, MatchesPersistentForWideLayersOverManyWindowsIfSoAsked) {
  if (std::getenv("SEQBENCH_LONG_TESTS") == nullptr) return;
  for (const Index D : {256, 1024}) {
    for (const Index B : {1, 3, 16}) {
      for (const Index T : {1, 2, 63, 64, 65, 4096}) {
        for (const double scale : {1.0, 6.0}) expect_equal_to_persistent({B, T}, D, scale);
      }
    }
  }
  for (const double scale : {1.0, 6.0}) {
    for (const Index B : {3, 16}) expect_equal_to_persistent({B, 4096}, 20, scale);
  }
}

TEST(NewtonLoop, InferenceGivesWhatTrainingGives) {
  for (const RecurrentModel& model : {kElman, kLstm, kGru}) {
    for (const double scale : {1.0, 4.0}) {
      const SequenceShape shape{.batch = 2, .steps = 200};
      const Index D = 33;
      const auto trained = train_by(model, RecurrentKernel::kNewton, shape, D, scale);
      const auto layer = model.make<float>({.width = D, .kernel = RecurrentKernel::kNewton});
      Random random(7);
      randomise_parameters(random, *layer);
      scale_recurrent_weights(*layer, scale);
      const Tensor<float> x = normal_tensor<float>(random, {2, 200, D});
      Tensor<float> y({2, 200, D});
      layer->reserve(shape, Pass::kForward, 1);
      layer->forward(ThreadTeam(), x.sequence(), y.sequence(), Keep::kNothing);
      EXPECT_TRUE(bit_equal(y, trained.result.y)) << model.name << ' ' << scale;
    }
  }
}

TEST(NewtonLoop, IsBitEqualHoweverTheWorkIsShared) {
  for (const RecurrentModel& model : {kElman, kLstm, kGru}) {
    for (const double scale : {1.0, 4.0}) {
      for (const auto& [shape, D] :
           {std::pair<SequenceShape, Index>{{1, 70}, 100}, {{5, 66}, 40}, {{2, 3}, 7}}) {
        const auto on = [&, s = shape, d = D](int workers) {
          TrainedBy trained;
          std::thread([&] {
            const std::vector<int> cpus(static_cast<std::size_t>(workers), sched_getcpu());
            trained =
                train_by(model, RecurrentKernel::kNewton, s, d, scale, ThreadTeam(workers, cpus));
          }).join();
          return trained;
        };
        const TrainedBy alone = on(1);
        for (const int workers : {2, 5}) {
          SCOPED_TRACE(model.name + " D=" + std::to_string(D) +
                       " workers=" + std::to_string(workers));
          const TrainedBy together = on(workers);
          expect_bit_equal(together.result, alone.result);
          EXPECT_EQ(together.counts.sweeps, alone.counts.sweeps);
        }
      }
    }
  }
}

TEST(NewtonLoop, SolvesTheStartsOfLstmAndGruInFewSweeps) {
  for (const RecurrentModel& model : {kLstm, kGru}) {
    const TrainedBy trained = train_by(model, RecurrentKernel::kNewton, {1, 256}, 256, 1);
    EXPECT_EQ(trained.counts.windows, 16);
    EXPECT_EQ(trained.counts.fallbacks, 0);
    EXPECT_GE(trained.counts.least, 3);
    EXPECT_LE(trained.counts.most, 11);
    EXPECT_LE(trained.counts.residual, 1e-3);
  }
}

// What trying costs where nothing comes of it: each trial ends after three or four sweeps, the
// first of which has no product, and few windows are tried.
TEST(NewtonLoop, GivesElmanWithLargeWeightsUpEarly) {
  const SequenceShape shape{.batch = 1, .steps = 2048};
  std::vector<Tensor<float>> outputs;
  for (const RecurrentKernel kernel : {RecurrentKernel::kNewton, RecurrentKernel::kPersistent}) {
    const auto layer = kElman.make<float>({.width = 256, .kernel = kernel});
    Random random(7);
    layer->initialise(random);
    scale_recurrent_weights(*layer, 4);
    const Tensor<float> x = normal_tensor<float>(random, {1, 2048, 256});
    outputs.push_back(Tensor<float>({1, 2048, 256}));
    layer->reserve(shape, Pass::kForward, 1);
    layer->forward(ThreadTeam(), x.sequence(), outputs.back().sequence(), Keep::kNothing);
    const SweepCounts counts = layer->sweep_counts();
    if (kernel == RecurrentKernel::kPersistent) continue;
    EXPECT_EQ(counts.windows, 64);
    EXPECT_EQ(counts.fallbacks, 64);
    EXPECT_LE(counts.sweeps, 4 * 4);
  }
  EXPECT_TRUE(bit_equal(outputs[0], outputs[1]));
}

/// h_t, and c_t behind it, of a unit that sees itself alone.
template <typename C>
struct OneUnit {
  std::vector<double> a, weights;

  std::vector<double> step(double h, double c, std::vector<double>& gates,
                           std::vector<double>& kept) const {
    std::vector<double> u(static_cast<std::size_t>(C::kGates));
    for (std::size_t k = 0; k < u.size(); ++k) u[k] = 0.3 - 0.1 * double(k) + weights[k] * h;
    gates.assign(u.size(), 0), kept.assign(1, 0);
    double next = 0;
    C::step({.units = 1,
             .a = {a.data(), 1},
             .u = {u.data(), 1},
             .gates = {gates.data(), 1},
             .h_previous = &h,
             .h = &next,
             .kept_previous = &c,
             .kept = kept.data()});
    return {next, kept[0]};
  }
};

template <typename C>
void expect_jacobian_is_that_of_the_step() {
  const OneUnit<C> unit{{0.4, -0.7, 0.9, 0.2}, {0.8, -1.1, 0.6, 1.3}};
  const double h = 0.35, c = -0.6, step = 1e-5;
  std::vector<double> gates, kept, other_gates, other_kept;
  const std::vector<double> here = unit.step(h, c, gates, kept);
  const auto slope = [&](double dh, double dc, std::size_t state) {
    const double up = unit.step(h + dh, c + dc, other_gates, other_kept)[state];
    const double down = unit.step(h - dh, c - dc, other_gates, other_kept)[state];
    return (up - down) / (2 * step);
  };
  const hn::CappedTag<double, 1> d;
  const auto jacobian = C::jacobian(d,
                                    {.weights = {unit.weights.data(), 1},
                                     .gates = {gates.data(), 1},
                                     .h = here.data(),
                                     .h_previous = &h,
                                     .kept = kept.data(),
                                     .kept_previous = &c},
                                    0);
  // The third derivative's share, step²/6, and cancellation, ε/step, are below.
  const double bound = 1e-8;
  EXPECT_NEAR(hn::GetLane(jacobian.hh), slope(step, 0, 0), bound);
  if constexpr (C::kCarriesKept) {
    EXPECT_NEAR(hn::GetLane(jacobian.hc), slope(0, step, 0), bound);
    EXPECT_NEAR(hn::GetLane(jacobian.ch), slope(step, 0, 1), bound);
    EXPECT_NEAR(hn::GetLane(jacobian.cc), slope(0, step, 1), bound);
  }
}

TEST(Jacobian, IsThatOfTheStepOfOneUnit) {
  expect_jacobian_is_that_of_the_step<Elman<double>>();
  expect_jacobian_is_that_of_the_step<Gru<double>>();
  expect_jacobian_is_that_of_the_step<Lstm<double>>();
}

}  // namespace
}  // namespace seqbench
