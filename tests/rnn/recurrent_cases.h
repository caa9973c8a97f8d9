// The recurrent models and their kernels as tables, so that every property is tested on each.
#pragma once

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "core/bfloat16.h"
#include "core/elementwise.h"
#include "rnn/mingru_layer.h"
#include "rnn/recurrent_layer.h"
#include "tests/test_data.h"

namespace seqbench {

struct RecurrentModel {
  std::string name;
  Index gates;   // G
  Index states;  // vectors of D carried from token to token
  decltype(&make_elman<float>) make_float;
  decltype(&make_elman<double>) make_double;
  decltype(&cost_of_recurrent<Elman, float>) cost_float;

  template <typename T>
  std::unique_ptr<SequenceLayer<T>> make(const RecurrentOptions& options) const {
    if constexpr (std::is_same_v<T, float>) {
      return make_float(options);
    } else {
      return make_double(options);
    }
  }
};

inline const RecurrentModel kElman{
    "elman", 1, 1, make_elman<float>, make_elman<double>, cost_of_recurrent<Elman, float>};
inline const RecurrentModel kLstm{
    "lstm", 4, 2, make_lstm<float>, make_lstm<double>, cost_of_recurrent<Lstm, float>};
inline const RecurrentModel kGru{
    "gru", 3, 1, make_gru<float>, make_gru<double>, cost_of_recurrent<Gru, float>};

inline constexpr RecurrentKernel kRecurrentKernels[] = {
    RecurrentKernel::kStepwise, RecurrentKernel::kHoisted, RecurrentKernel::kPersistent,
    RecurrentKernel::kNewton};

/// A model's layer by one of its kernels, and what is particular to it.
struct RecurrentCase {
  std::string name;
  Index matrices;     // [D, D] of weights, each with as many biases as rows
  Index states;       // vectors of D carried from token to token
  Index shared_rows;  // vectors of D of scratch for each row that tokens share; 0: no such pass
  Index gates;        // vectors of D that training keeps of each token, at least
  bool is_squashed;   // outputs lie in (−1, 1)
  std::function<std::unique_ptr<SequenceLayer<float>>(Index width)> make_float;
  std::function<std::unique_ptr<SequenceLayer<double>>(Index width)> make_double;
  std::function<LayerCost(Index width, SequenceShape, Pass, int workers)> cost;
};

inline std::ostream& operator<<(std::ostream& out, const RecurrentCase& one) {
  return out << one.name;
}

/// Base of fixtures over every model and kernel; each file derives its own.
class RecurrentTest : public testing::TestWithParam<RecurrentCase> {
 protected:
  template <typename T>
  std::unique_ptr<SequenceLayer<T>> make(Index width) const {
    if constexpr (std::is_same_v<T, float>) {
      return GetParam().make_float(width);
    } else {
      return GetParam().make_double(width);
    }
  }
};

inline std::vector<RecurrentCase> every_case() {
  std::vector<RecurrentCase> cases;
  for (const RecurrentModel& model : {kElman, kLstm, kGru}) {
    for (const RecurrentKernel kernel : kRecurrentKernels) {
      const char* const kernels[] = {"stepwise", "hoisted", "persistent", "newton"};
      const auto options = [kernel](Index width) {
        return RecurrentOptions{.width = width, .kernel = kernel};
      };
      cases.push_back(
          {.name = model.name + "_" + kernels[std::size_t(kernel)],
           .matrices = 2 * model.gates,
           .states = model.states,
           .shared_rows = kernel == RecurrentKernel::kPersistent ? model.gates : 0,
           .gates = model.gates,
           .is_squashed = true,
           .make_float = [=](Index width) { return model.make_float(options(width)); },
           .make_double = [=](Index width) { return model.make_double(options(width)); },
           .cost =
               [=](Index width, SequenceShape shape, Pass pass, int workers) {
                 return model.cost_float(options(width), shape, pass, workers);
               }});
    }
  }
  for (const Candidate candidate : {Candidate::kPositive, Candidate::kLinear}) {
    for (const MinGruKernel kernel : {MinGruKernel::kStepwise, MinGruKernel::kScan}) {
      const bool scans = kernel == MinGruKernel::kScan;
      const auto options = [=](Index width) {
        return MinGruOptions{.width = width, .kernel = kernel, .candidate = candidate};
      };
      cases.push_back(
          {.name = std::string(candidate == Candidate::kLinear ? "mingru_linear_" : "mingru_") +
                   (scans ? "scan" : "stepwise"),
           .matrices = 2,
           .states = 1,
           .shared_rows = scans ? 4 : 0,
           .gates = 2,
           .is_squashed = false,
           .make_float = [=](Index width) { return make_mingru<float>(options(width)); },
           .make_double = [=](Index width) { return make_mingru<double>(options(width)); },
           .cost =
               [=](Index width, SequenceShape shape, Pass pass, int workers) {
                 return mingru_cost<float>(options(width), shape, pass, workers);
               }});
    }
  }
  return cases;
}

inline auto every_model_and_kernel() { return testing::ValuesIn(every_case()); }

inline std::string case_name(const testing::TestParamInfo<RecurrentCase>& info) {
  return info.param.name;
}

/// Bound on the difference that rounding alone makes between two ways of computing an output or a
/// gradient of largest element `max_abs`: T steps, each a sum of 2·D terms and some 8 roundings in
/// the pointwise step, at most 4 units in the last place each; a weight's gradient sums B·T terms
/// on top. Weights from U(±1/√D) have a spectral norm of 2/√3, which tanh′ and σ′ bring below 1:
/// errors of the steps add up and do not grow.
template <typename T>
double rounding_bound(SequenceShape shape, Index width, double max_abs) {
  const double depth = double(shape.steps * (2 * width + shape.batch + 8));
  return 4 * double(std::numeric_limits<T>::epsilon()) * depth * max_abs;
}

/// Everything that one training step gives.
template <typename T>
struct TrainingResult {
  Tensor<T> y, dx;
  std::vector<Tensor<T>> gradients;
};

/// Whether one of them is no number: a gradient over thousands of steps of large weights.
template <typename T>
bool gradients_overflow(const TrainingResult<T>& result) {
  const auto overflows = [](const Tensor<T>& tensor) {
    return std::ranges::any_of(tensor.values(), [](T value) { return !std::isfinite(value); });
  };
  return overflows(result.dx) || std::ranges::any_of(result.gradients, overflows);
}

/// Two kernels' results of the same step differ by no more than rounding_bound(). Gradients that
/// overflow do so in both.
template <typename T>
void expect_equal_within_rounding(const TrainingResult<T>& a, const TrainingResult<T>& b,
                                  SequenceShape shape, Index width, const std::string& model) {
  const auto expect_close = [&](const Tensor<T>& left, const Tensor<T>& right,
                                const std::string& what) {
    EXPECT_LE(max_difference(left, right), rounding_bound<T>(shape, width, max_abs(right.values())))
        << model << ' ' << what << " B=" << shape.batch << " T=" << shape.steps << " D=" << width;
  };
  expect_close(a.y, b.y, "y");
  EXPECT_EQ(gradients_overflow(a), gradients_overflow(b)) << model;
  if (gradients_overflow(b)) return;
  expect_close(a.dx, b.dx, "dx");
  for (std::size_t p = 0; p < b.gradients.size(); ++p) {
    expect_close(a.gradients[p], b.gradients[p], "gradient " + std::to_string(p));
  }
}

/// Multiplies the recurrent weights of Elman, LSTM or GRU.
template <typename T>
void scale_recurrent_weights(SequenceLayer<T>& layer, double factor) {
  scale(layer.parameters()[1].value.matrix(), T(factor));
}

/// One training step from seeded parameters and data, equal for every kernel and team.
template <typename T>
TrainingResult<T> train_once(SequenceLayer<T>& layer, SequenceShape shape,
                             const ThreadTeam& team = ThreadTeam(), double recurrent_scale = 1) {
  const Index B = shape.batch, T_ = shape.steps, D = layer.width();
  Random random(7);
  randomise_parameters(random, layer);
  if (recurrent_scale != 1) scale_recurrent_weights(layer, recurrent_scale);
  const Tensor<T> x = normal_tensor<T>(random, {B, T_, D});
  const Tensor<T> dy = normal_tensor<T>(random, {B, T_, D});
  TrainingResult<T> result{Tensor<T>({B, T_, D}), Tensor<T>({B, T_, D}), {}};
  layer.reserve(shape, Pass::kTrain, team.size());
  layer.forward(team, x.sequence(), result.y.sequence(), Keep::kForBackward);
  layer.backward(team, x.sequence(), result.y.sequence(), dy.sequence(), result.dx.sequence());
  for (auto& parameter : layer.parameters()) {
    result.gradients.push_back(std::move(parameter.gradient));
  }
  return result;
}

/// The same in bfloat16, from parameters and data that are drawn as float for either scalar, on so
/// many workers, all of them at once although they share one CPU; on a thread of its own, since
/// pinning outlives the team. make(scalar) makes a layer of that scalar's type. Where `is_held`,
/// weights and x are numbers that bfloat16 holds, but else the same.
template <typename T, typename Make>
TrainingResult<T> train_rounded(const Make& make, SequenceShape shape, int workers,
                                bool is_held = false) {
  TrainingResult<T> result;
  std::thread([&] {
    const ThreadTeam team(workers, std::vector<int>(std::size_t(workers), sched_getcpu()));
    const auto layer = make(T());
    const auto source = make(float());
    Random random(7);
    randomise_parameters(random, *source);
    const auto hold = [is_held](auto& tensor) {
      for (auto& value : tensor.values()) {
        if (is_held) value = nearest_bfloat16(float(value));
      }
    };
    for (auto& parameter : source->parameters()) {
      if (parameter.value.shape().size() == 2) hold(parameter.value);
    }
    copy_parameters(*source, *layer);
    const std::vector<Index> all{shape.batch, shape.steps, layer->width()};
    const auto drawn = [&] {
      const auto values = normal_tensor<float>(random, all);
      Tensor<T> tensor(all);
      std::ranges::copy(values.values(), tensor.data());
      return tensor;
    };
    Tensor<T> x = drawn();
    const Tensor<T> dy = drawn();
    hold(x);
    result = {Tensor<T>(all), Tensor<T>(all), {}};
    layer->reserve(shape, Pass::kTrain, workers);
    const SequenceView<const T> from = x.sequence();
    layer->forward(team, from, result.y.sequence(), Keep::kForBackward);
    layer->backward(team, from, result.y.sequence(), dy.sequence(), result.dx.sequence());
    result.gradients = copied_gradients(*layer);
  }).join();
  return result;
}

/// A kernel in float and its reference in double agree where both round the factors of products. A
/// state or gradient that lies near the middle of two bfloat16 may be rounded to either, by 2⁻⁸ of
/// itself apart: few are, and a sum takes 1/√D of each.
inline void expect_close_as_rounded(const TrainingResult<float>& ours,
                                    const TrainingResult<double>& exact, SequenceShape shape,
                                    Index width, const std::string& model) {
  const auto expect_close = [&](const Tensor<float>& actual, const Tensor<double>& expected,
                                const std::string& what) {
    const double largest = max_abs(expected.values());
    const double bound = rounding_bound<float>(shape, width, largest) + 0x1p-8 * largest;
    for (Index i = 0; i < actual.size(); ++i) {
      ASSERT_NEAR(actual[i], expected[i], bound)
          << model << ' ' << what << " D=" << width << " at " << i;
    }
  };
  expect_close(ours.y, exact.y, "y");
  expect_close(ours.dx, exact.dx, "dx");
  for (std::size_t p = 0; p < exact.gradients.size(); ++p) {
    expect_close(ours.gradients[p], exact.gradients[p], "gradient " + std::to_string(p));
  }
}

template <typename T>
void expect_bit_equal(const TrainingResult<T>& a, const TrainingResult<T>& b) {
  EXPECT_TRUE(bit_equal(a.y, b.y));
  EXPECT_TRUE(bit_equal(a.dx, b.dx));
  for (std::size_t p = 0; p < a.gradients.size(); ++p) {
    EXPECT_TRUE(bit_equal(a.gradients[p], b.gradients[p])) << p;
  }
}

}  // namespace seqbench
