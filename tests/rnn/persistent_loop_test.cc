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

/// y of a forward pass in bfloat16; the result does not depend on the layer's scalar but for
/// rounding.
template <typename T>
Tensor<T> rounded_forward(const RecurrentModel& model, RecurrentKernel kernel, SequenceShape shape,
                          Index width, int workers) {
  Tensor<T> y({shape.batch, shape.steps, width});
  std::thread([&] {
    const ThreadTeam team(workers, std::vector<int>(std::size_t(workers), sched_getcpu()));
    const auto layer =
        model.make<T>({.width = width, .kernel = kernel, .factors = Factors::kBfloat16});
    // Drawn as float for both.
    const auto source = model.make<float>({.width = width});
    Random random(7);
    randomise_parameters(random, *source);
    copy_parameters(*source, *layer);
    const auto drawn = normal_tensor<float>(random, {shape.batch, shape.steps, width});
    Tensor<T> x({shape.batch, shape.steps, width});
    std::ranges::copy(drawn.values(), x.data());
    layer->reserve(shape, Pass::kForward, workers);
    layer->forward(team, std::as_const(x).sequence(), y.sequence(), Keep::kNothing);
  }).join();
  return y;
}

// A state that lies near the middle of two bfloat16 may be rounded to either, by 2⁻⁸ of itself
// apart: few do, and a sum takes 1/√D of each.
TEST(PersistentLoop, InBfloat16MatchesRoundedProductsInDouble) {
  for (const RecurrentModel& model : {kElman, kLstm, kGru}) {
    for (const auto& [shape, D] : kCases) {
      const auto y = rounded_forward<float>(model, RecurrentKernel::kPersistent, shape, D, 2);
      const auto exact = rounded_forward<double>(model, RecurrentKernel::kHoisted, shape, D, 1);
      const double largest = max_abs(exact.values());
      const double bound = rounding_bound<float>(shape, D, largest) + 0x1p-8 * largest;
      for (Index i = 0; i < y.size(); ++i) {
        ASSERT_NEAR(y[i], exact[i], bound) << model.name << " D=" << D << " at " << i;
      }
    }
  }
}

TEST(PersistentLoop, InBfloat16IsBitEqualHoweverTheWorkIsShared) {
  for (const RecurrentModel& model : {kElman, kLstm, kGru}) {
    for (const auto& [shape, D] : kCases) {
      const auto alone = rounded_forward<float>(model, RecurrentKernel::kPersistent, shape, D, 1);
      for (const int workers : {2, 3, 5}) {
        const auto y =
            rounded_forward<float>(model, RecurrentKernel::kPersistent, shape, D, workers);
        EXPECT_TRUE(bit_equal(y, alone)) << model.name << " D=" << D << ", " << workers;
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
