// Sweeps of a whole sequence at once, as one writes them down: in double, a window of 512 steps,
// inputs N(0, 1). How many each method needs to a relative error of 1e-6 is a property of the
// network, against which rnn/newton_loop.h can be judged.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/gemm.h"
#include "core/initialisers.h"
#include "rnn/elman.h"
#include "rnn/gru.h"
#include "rnn/lstm.h"
#include "tests/rnn/recurrent_cases.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

constexpr Index kSteps = 512;

enum class Method { kJacobi, kDiagonal };

/// A layer's recurrence over one sequence.
struct Trial {
  Index D = 0;
  Tensor<double> a;          // [T, G·D] W_ih·x + b_ih
  Tensor<double> weight_hh;  // [G·D, D]
  Tensor<double> bias_hh;    // [G·D]
  Tensor<double> y;          // [T, D] step by step
};

/// PyTorch's start; `longest` > 0: gates that keep the state for 1 to so many steps.
Trial make_trial(const RecurrentModel& model, Index D, double scale, Index longest) {
  const auto layer = model.make<double>({.width = D});
  Random random(1);
  layer->initialise(random);
  scale_recurrent_weights(*layer, scale);
  const auto parameters = layer->parameters();
  for (Index j = 0; longest > 0 && j < D; ++j) {
    const double keeps = std::log(random.uniform(1, double(longest)));
    parameters[2].value[D + j] = keeps;  // of i f g o or r z n
    parameters[3].value[D + j] = 0;
    if (model.gates < 4) continue;
    parameters[2].value[j] = -keeps;
    parameters[3].value[j] = 0;
  }
  const ThreadTeam team;
  const Tensor<double> x = normal_tensor<double>(random, {1, kSteps, D});
  Trial trial{.D = D,
              .a = Tensor<double>({kSteps, model.gates * D}),
              .weight_hh = Tensor<double>(parameters[1].value.shape()),
              .bias_hh = Tensor<double>(parameters[3].value.shape()),
              .y = Tensor<double>({1, kSteps, D})};
  layer->reserve({1, kSteps}, Pass::kForward, 1);
  layer->forward(team, x.sequence(), trial.y.sequence(), Keep::kNothing);
  gemm(team, x.matrix(), parameters[0].value.matrix(), trial.a.matrix(), {.transpose_b = true},
       parameters[2].value.data());
  std::ranges::copy(parameters[1].value.values(), trial.weight_hh.data());
  std::ranges::copy(parameters[3].value.values(), trial.bias_hh.data());
  return trial;
}

/// Sweeps until the states h are those of y, from the state 0; `most` + 1 where these are too few.
template <typename C>
Index sweeps_needed(const Trial& trial, Method method, Index most) {
  const Index D = trial.D, G = C::kGates;
  const double allowed = 1e-6 * max_abs(trial.y.values());
  std::vector<double> diagonal;
  for (Index row = 0; row < G * D; ++row) {
    diagonal.push_back(trial.weight_hh.matrix()(row, row % D));
  }
  // States before the first step and of every step; the product of all of them.
  Tensor<double> h({kSteps + 1, D}), c({kSteps + 1, D}), u({kSteps, G * D}), gates({G * D});
  Tensor<double> h_found({D}), kept_found({D}), zeros({D});
  for (Index sweep = 1; sweep <= most; ++sweep) {
    // The first sweep − 1 states are final.
    const Index first = sweep - 1;
    const MatrixView<double> product = u.matrix().row_block(first, kSteps - first);
    gemm(ThreadTeam(), h.matrix().row_block(first, kSteps - first), trial.weight_hh.matrix(),
         product, {.transpose_b = true}, trial.bias_hh.data());
    // Of the step before: its state as the sweep found it, and by how much that was moved.
    std::vector<double> h_previous(h.matrix().row(first), h.matrix().row(first) + D);
    std::vector<double> c_previous(c.matrix().row(first), c.matrix().row(first) + D);
    std::vector<double> h_moved(std::size_t(D), 0.0), c_moved(h_moved);
    double error = 0;
    for (Index t = first; t < kSteps; ++t) {
      C::step({.units = D,
               .a = {trial.a.matrix().row(t), D},
               .u = {u.matrix().row(t), D},
               .gates = {gates.data(), D},
               .h_previous = h_previous.data(),
               .h = h_found.data(),
               .kept_previous = c_previous.data(),
               .kept = kept_found.data()});
      const JacobianRow<double> row{.weights = {diagonal.data(), D},
                                    .gates = {gates.data(), D},
                                    .h = h_found.data(),
                                    .h_previous = h_previous.data(),
                                    .kept = kept_found.data(),
                                    .kept_previous = c_previous.data()};
      double* const h_t = h.matrix().row(t + 1);
      double* const c_t = c.matrix().row(t + 1);
      const hn::CappedTag<double, 1> d;
      for (Index j = 0; j < D; ++j) {
        const auto at = std::size_t(j);
        double h_new = h_found[j], c_new = kept_found[j];
        if (method == Method::kDiagonal) {
          const auto jacobian = C::jacobian(d, row, j);
          h_new += hn::GetLane(jacobian.hh) * h_moved[at];
          if constexpr (C::kCarriesKept) {
            h_new += hn::GetLane(jacobian.hc) * c_moved[at];
            c_new +=
                hn::GetLane(jacobian.ch) * h_moved[at] + hn::GetLane(jacobian.cc) * c_moved[at];
          }
        }
        h_moved[at] = h_new - h_t[j];
        c_moved[at] = c_new - c_t[j];
        h_previous[at] = std::exchange(h_t[j], h_new);
        if (C::kCarriesKept) c_previous[at] = std::exchange(c_t[j], c_new);
        error = std::max(error, std::abs(h_new - trial.y.matrix()(t, j)));
      }
    }
    if (error <= allowed) return sweep;
  }
  return most + 1;
}

/// ± 2 sweeps below 20, ± 25 % above.
void expect_about(Index sweeps, Index expected) {
  const Index allowed = expected < 20 ? 2 : expected / 4;
  EXPECT_GE(sweeps, expected - allowed);
  EXPECT_LE(sweeps, expected + allowed);
}

struct Expected {
  double scale;
  Index jacobi, diagonal;
};

template <template <typename> class Cell>
void expect_sweeps(const RecurrentModel& model, Index D, Index longest,
                   const std::vector<Expected>& settings) {
  for (const auto& [scale, jacobi, diagonal] : settings) {
    SCOPED_TRACE(model.name + " × " + std::to_string(scale));
    const Trial trial = make_trial(model, D, scale, longest);
    expect_about(sweeps_needed<Cell<double>>(trial, Method::kJacobi, 2 * jacobi), jacobi);
    expect_about(sweeps_needed<Cell<double>>(trial, Method::kDiagonal, 2 * diagonal), diagonal);
  }
}

TEST(NewtonTrial, ElmanNeedsAsManySweepsWithTheDiagonalAsWithout) {
  expect_sweeps<Elman>(kElman, 256, 0, {{1, 20, 19}, {2, 79, 79}});
}

TEST(NewtonTrial, ElmanWithLargeWeightsIsNotSolved) {
  const Trial trial = make_trial(kElman, 256, 4, 0);
  EXPECT_GT(sweeps_needed<Elman<double>>(trial, Method::kJacobi, 400), 400);
  EXPECT_GT(sweeps_needed<Elman<double>>(trial, Method::kDiagonal, 400), 400);
}

TEST(NewtonTrial, TheDiagonalSavesGruAndLstmTwoSweepsOfThree) {
  expect_sweeps<Gru>(kGru, 256, 0, {{1, 30, 10}, {2, 46, 18}, {4, 218, 99}});
  expect_sweeps<Lstm>(kLstm, 256, 0, {{1, 30, 9}, {2, 42, 17}, {4, 146, 69}});
}

// Jacobi's sweeps carry a memory one step further each; the diagonal carries it all the way.
TEST(NewtonTrial, LongMemoryOnTheDiagonalCostsNoSweeps) {
  expect_sweeps<Gru>(kGru, 256, 512, {{1, 512, 7}, {2, 512, 10}, {4, 512, 16}});
  expect_sweeps<Lstm>(kLstm, 64, 512, {{1, 512, 7}, {2, 512, 11}, {4, 512, 16}});
}

}  // namespace
}  // namespace seqbench
