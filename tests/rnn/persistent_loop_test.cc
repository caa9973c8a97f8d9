#include "rnn/persistent_loop.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <thread>

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

void expect_bit_equal(const TrainingResult<float>& a, const TrainingResult<float>& b) {
  EXPECT_TRUE(bit_equal(a.y, b.y));
  EXPECT_TRUE(bit_equal(a.dx, b.dx));
  for (std::size_t p = 0; p < a.gradients.size(); ++p) {
    EXPECT_TRUE(bit_equal(a.gradients[p], b.gradients[p])) << p;
  }
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

/// A training step in bfloat16, from parameters and data that are drawn as float for either scalar.
template <typename T>
TrainingResult<T> train_rounded(const RecurrentModel& model, RecurrentKernel kernel,
                                SequenceShape shape, Index width, int workers) {
  TrainingResult<T> result;
  std::thread([&] {
    const ThreadTeam team(workers, std::vector<int>(std::size_t(workers), sched_getcpu()));
    const auto layer =
        model.make<T>({.width = width, .kernel = kernel, .factors = Factors::kBfloat16});
    const auto source = model.make<float>({.width = width});
    Random random(7);
    randomise_parameters(random, *source);
    copy_parameters(*source, *layer);
    const std::vector<Index> all{shape.batch, shape.steps, width};
    const auto drawn = [&] {
      const auto values = normal_tensor<float>(random, all);
      Tensor<T> tensor(all);
      std::ranges::copy(values.values(), tensor.data());
      return tensor;
    };
    const Tensor<T> x = drawn(), dy = drawn();
    result = {Tensor<T>(all), Tensor<T>(all), {}};
    layer->reserve(shape, Pass::kTrain, workers);
    layer->forward(team, x.sequence(), result.y.sequence(), Keep::kForBackward);
    layer->backward(team, x.sequence(), result.y.sequence(), dy.sequence(), result.dx.sequence());
    result.gradients = copied_gradients(*layer);
  }).join();
  return result;
}

// A state or gradient that lies near the middle of two bfloat16 may be rounded to either, by 2⁻⁸ of
// itself apart: few are, and a sum takes 1/√D of each.
TEST(PersistentLoop, InBfloat16MatchesRoundedProductsInDouble) {
  for (const RecurrentModel& model : {kElman, kLstm, kGru}) {
    for (const auto& [case_shape, width] : kCases) {
      const SequenceShape shape = case_shape;  // which clang 14's lambdas take
      const Index D = width;
      const auto ours = train_rounded<float>(model, RecurrentKernel::kPersistent, shape, D, 2);
      const auto exact = train_rounded<double>(model, RecurrentKernel::kHoisted, shape, D, 1);
      const auto expect_close = [&](const Tensor<float>& actual, const Tensor<double>& expected,
                                    const std::string& what) {
        const double largest = max_abs(expected.values());
        const double bound = rounding_bound<float>(shape, D, largest) + 0x1p-8 * largest;
        for (Index i = 0; i < actual.size(); ++i) {
          ASSERT_NEAR(actual[i], expected[i], bound)
              << model.name << ' ' << what << " D=" << D << " at " << i;
        }
      };
      expect_close(ours.y, exact.y, "y");
      expect_close(ours.dx, exact.dx, "dx");
      for (std::size_t p = 0; p < exact.gradients.size(); ++p) {
        expect_close(ours.gradients[p], exact.gradients[p], "gradient " + std::to_string(p));
      }
    }
  }
}

TEST(PersistentLoop, InBfloat16IsBitEqualHoweverTheWorkIsShared) {
  for (const RecurrentModel& model : {kElman, kLstm, kGru}) {
    for (const auto& [shape, D] : kCases) {
      const auto alone = train_rounded<float>(model, RecurrentKernel::kPersistent, shape, D, 1);
      for (const int workers : {2, 3, 5}) {
        SCOPED_TRACE(model.name + " D=" + std::to_string(D) + ", " + std::to_string(workers));
        expect_bit_equal(
            train_rounded<float>(model, RecurrentKernel::kPersistent, shape, D, workers), alone);
      }
    }
  }
}

TEST(PersistentLoop, AdvancesWithFarMoreWorkersThanCpus) {
  const SequenceShape shape{.batch = 1, .steps = 10};
  const Index D = 12 * unit_lanes<float>();  // a vector of units for each worker
  expect_bit_equal(train_on(kLstm, shape, D, 12), train_on(kLstm, shape, D, 1));
}

}  // namespace
}  // namespace seqbench
