#include "harness/ranks/data_parallel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <string>
#include <vector>

#include "harness/ranks/local_communicator.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

constexpr Index kWidth = 6;

template <typename T>
struct Tensors {
  Tensor<T> x, dy, y, dx;
  std::vector<Tensor<T>> gradients;
};

template <typename T>
Tensors<T> drawn(SequenceShape whole) {
  Random random(7);
  const std::vector<Index> shape = {whole.batch, whole.steps, kWidth};
  Tensors<T> tensors{normal_tensor<T>(random, shape),
                     normal_tensor<T>(random, shape),
                     Tensor<T>(shape),
                     Tensor<T>(shape),
                     {}};
  return tensors;
}

template <typename T>
std::unique_ptr<SequenceLayer<T>> layer_of(const LayerSpec& spec) {
  auto layer = make_layer<T>(spec);
  Random random(3);
  randomise_parameters(random, *layer);
  return layer;
}

template <typename T>
Tensors<T> of_one_process(const LayerSpec& spec, SequenceShape whole) {
  const ThreadTeam team;
  Tensors<T> tensors = drawn<T>(whole);
  const auto layer = layer_of<T>(spec);
  layer->reserve(whole, Pass::kTrain, 1);
  layer->forward(team, tensors.x.sequence(), tensors.y.sequence(), Keep::kForBackward);
  layer->backward(team, tensors.x.sequence(), std::as_const(tensors.y).sequence(),
                  tensors.dy.sequence(), tensors.dx.sequence());
  tensors.gradients = copied_gradients(*layer);
  return tensors;
}

/// The same by `ranks` ranks, put together; every rank's gradients are checked to be the same bits.
template <typename T>
Tensors<T> of_ranks(const LayerSpec& spec, SequenceShape whole, int ranks) {
  Tensors<T> all = drawn<T>(whole);
  std::mutex mutex;
  run_local_ranks(ranks, [&](Communicator& communicator) {
    const ThreadTeam team;
    const auto layer = make_data_parallel<T>(spec, communicator);
    const auto plain = layer_of<T>(spec);
    for (std::size_t i = 0; i < plain->parameters().size(); ++i) {
      std::ranges::copy(plain->parameters()[i].value.values(), layer->parameters()[i].value.data());
    }
    layer->reserve(whole, Pass::kTrain, 1);
    const Part own = layer->share().batch;
    const Index row = whole.steps * kWidth;
    const SequenceView<const T> x{all.x.data() + own.first * row, own.count, whole.steps, kWidth};
    const SequenceView<const T> dy{all.dy.data() + own.first * row, own.count, whole.steps, kWidth};
    const SequenceView<T> y{all.y.data() + own.first * row, own.count, whole.steps, kWidth};
    const SequenceView<T> dx{all.dx.data() + own.first * row, own.count, whole.steps, kWidth};
    layer->forward(team, x, y, Keep::kForBackward);
    layer->backward(team, x, y, dy, dx);
    const std::lock_guard lock(mutex);
    std::vector<Tensor<T>> gradients;
    for (const Parameter<T>& parameter : layer->parameters()) {
      gradients.emplace_back(parameter.gradient.shape());
      std::ranges::copy(parameter.gradient.values(), gradients.back().data());
    }
    if (all.gradients.empty()) {
      all.gradients = std::move(gradients);
    } else {
      for (std::size_t i = 0; i < gradients.size(); ++i) {
        EXPECT_TRUE(bit_equal(gradients[i], all.gradients[i])) << "rank " << communicator.rank();
      }
    }
  });
  return all;
}

/// Each sequence is computed as one process does, but that a kernel may take several at once: sums
/// of the same terms in another order. A gradient is a sum over B·T tokens.
template <typename T>
void expect_same(const Tensors<T>& ranks, const Tensors<T>& one, SequenceShape whole) {
  const double eps = std::numeric_limits<T>::epsilon();
  const double in_sequence = 8 * eps * std::sqrt(double(4 * kWidth + whole.steps));
  const double over_all =
      8 * eps * std::sqrt(double(4 * kWidth + whole.steps + whole.batch * whole.steps));
  EXPECT_LE(max_difference(ranks.y, one.y), in_sequence * max_abs(one.y.values()));
  EXPECT_LE(max_difference(ranks.dx, one.dx), in_sequence * max_abs(one.dx.values()));
  ASSERT_EQ(ranks.gradients.size(), one.gradients.size());
  for (std::size_t i = 0; i < one.gradients.size(); ++i) {
    const double largest = max_abs(one.gradients[i].values());
    EXPECT_GT(largest, 0);
    EXPECT_LE(max_difference(ranks.gradients[i], one.gradients[i]), over_all * largest);
  }
}

TEST(DataParallel, EqualsOneProcessForEveryModelAndNumberOfRanks) {
  constexpr SequenceShape kWhole{.batch = 7, .steps = 5};
  for (const ModelInfo& model : all_models()) {
    for (const std::string& kernel : model.kernels) {
      for (const bool causal : {false, true}) {
        if (causal && !model.has_heads()) continue;
        const LayerSpec spec{
            .model = model.name, .kernel = kernel, .width = kWidth, .heads = 2, .causal = causal};
        const Tensors<float> one = of_one_process<float>(spec, kWhole);
        const Tensors<double> one_double = of_one_process<double>(spec, kWhole);
        for (int ranks = 1; ranks <= 5; ++ranks) {
          SCOPED_TRACE(model.name + " " + kernel + ", ranks: " + std::to_string(ranks));
          expect_same(of_ranks<float>(spec, kWhole, ranks), one, kWhole);
          expect_same(of_ranks<double>(spec, kWhole, ranks), one_double, kWhole);
        }
      }
    }
  }
}

TEST(DataParallel, EachRankHasNeighbouringSequencesAndNoneIsLeftOut) {
  constexpr SequenceShape kWhole{.batch = 11, .steps = 2};
  std::mutex mutex;
  std::vector<int> taken(11);
  run_local_ranks(4, [&](Communicator& ranks) {
    const auto layer =
        make_data_parallel<float>({.model = "gru", .kernel = "hoisted", .width = 4}, ranks);
    layer->reserve(kWhole, Pass::kForward, 1);
    const RankShare share = layer->share();
    EXPECT_EQ(share.batch.count, ranks.rank() < 3 ? 3 : 2);
    EXPECT_EQ(share.shape().steps, 2);
    const std::lock_guard lock(mutex);
    for (Index b = 0; b < share.batch.count; ++b) ++taken[std::size_t(share.batch.first + b)];
  });
  EXPECT_EQ(taken, std::vector<int>(11, 1));
}

TEST(DataParallel, ForwardSendsNothingAndBackwardItsShareOfTheGradients) {
  constexpr SequenceShape kWhole{.batch = 3, .steps = 4};
  run_local_ranks(3, [&](Communicator& ranks) {
    const ThreadTeam team;
    const LayerSpec spec{.model = "elman", .kernel = "hoisted", .width = kWidth};
    const auto layer = make_data_parallel<float>(spec, ranks);
    layer->reserve(kWhole, Pass::kTrain, 1);
    Tensor<float> x({1, 4, kWidth}), y({1, 4, kWidth}), dy({1, 4, kWidth}), dx({1, 4, kWidth});
    layer->forward(team, x.sequence(), y.sequence(), Keep::kForBackward);
    EXPECT_EQ(ranks.take_traffic().bytes_sent, 0);
    layer->backward(team, x.sequence(), y.sequence(), dy.sequence(), dx.sequence());
    double parameters = 0;
    for (const Parameter<float>& one : layer->parameters()) parameters += double(one.value.size());
    // 36 and 6 values, two matrices and two biases, in three equal parts.
    EXPECT_EQ(ranks.take_traffic().bytes_sent, 2.0 * 2 / 3 * parameters * sizeof(float));
  });
}

TEST(DataParallel, DeclaresWhatItHoldsForItsShare) {
  const LayerSpec spec{.model = "attention", .kernel = "fused", .width = 8, .heads = 2};
  constexpr SequenceShape kWhole{.batch = 4, .steps = 9}, kShare{.batch = 2, .steps = 9};
  run_local_ranks(2, [&](Communicator& ranks) {
    const auto layer = make_data_parallel<float>(spec, ranks);
    EXPECT_EQ(layer->workspace_bytes(kWhole, Pass::kForward, 1),
              make_layer<float>(spec)->cost(kShare, Pass::kForward, 1).workspace_bytes);
    // The sum holds as much as the largest gradient, of the 24×8 input projection.
    EXPECT_EQ(layer->workspace_bytes(kWhole, Pass::kTrain, 1),
              make_layer<float>(spec)->cost(kShare, Pass::kTrain, 1).workspace_bytes +
                  24 * 8 * sizeof(float));
  });
}

}  // namespace
}  // namespace seqbench
