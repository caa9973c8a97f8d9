#include "harness/training/sliced_pass.h"

#include <gtest/gtest.h>

#include <limits>

#include "core/eigen_view.h"
#include "harness/models/registry.h"
#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"

namespace seqbench {
namespace {

/// Slices of 7, 6 and 6 sequences.
constexpr SequenceShape kShape{19, 130};

/// A batch with one to three answers a sequence, of tokens or of two numbers a step.
TaskBatch draw(Random& random, bool tokens) {
  TaskBatch batch;
  batch.start(kShape);
  for (Index row = 0; row < kShape.batch * kShape.steps; ++row) {
    if (tokens) batch.tokens.push_back(static_cast<Token>(random.below(6)));
    if (!tokens) batch.numbers.insert(batch.numbers.end(), {random.normal(), random.normal()});
    const Index b = row / kShape.steps, to_the_end = kShape.steps - 1 - row % kShape.steps;
    if (to_the_end % 40 != 0 || to_the_end / 40 > b % 3) continue;
    batch.answer_rows.push_back(row);
    batch.gaps.push_back(to_the_end + 1);
    if (tokens) batch.targets.push_back(static_cast<Token>(random.below(3)));
    if (!tokens) batch.values.push_back(random.normal());
  }
  return batch;
}

SequenceModelSpec spec_of(const std::string& model, bool tokens) {
  return {.model = model,
          .variant = *find_variant(model, model == "attention" ? "learned" : "default"),
          .vocabulary = tokens ? 6 : 0,
          .channels = tokens ? 0 : 2,
          .answers = tokens ? 3 : 1,
          .loss = tokens ? LossKind::kCrossEntropy : LossKind::kSquaredError,
          .tolerance = 0.5,
          .longest = kShape.steps,
          .form = {.width = 4, .layers = 2, .heads = 2, .residual = true}};
}

template <typename T>
struct Trained {
  Trained(const SequenceModelSpec& spec, const TaskBatch& batch, int workers) : model(spec) {
    Random random(7);
    model.initialise(random);
    model.reserve(batch.shape, batch.answers(), workers);
    for (Parameter<T>* parameter : model.parameters()) {
      std::ranges::fill(parameter->gradient.values(), std::numeric_limits<T>::quiet_NaN());
    }
  }
  SequenceModel<T> model;
};

TEST(SlicesOf, FollowFromTheShapeAndNeverFallBelowEight) {
  EXPECT_EQ(slices_of({64, 64}).count(), 4);
  EXPECT_EQ(slices_of({64, 256}).count(), 8);
  EXPECT_EQ(slices_of({64, 5000}).count(), 8);
  EXPECT_EQ(slices_of({64, 8}).count(), 1);
  EXPECT_EQ(slices_of({1, 100000}).count(), 1);
  EXPECT_EQ(slices_of(kShape).count(), 3);
}

TEST(TaskBatch, TakesSomeSequencesOfAnother) {
  Random random(1);
  TaskBatch slice;
  for (const bool tokens : {true, false}) {
    const TaskBatch batch = draw(random, tokens);
    Index row = 0, answer = 0;
    for (const Part part : {Part{0, 7}, Part{7, 1}, Part{8, 11}}) {
      slice.take(batch, part);
      EXPECT_EQ(slice.shape.batch, part.count);
      EXPECT_EQ(slice.shape.steps, kShape.steps);
      for (std::size_t i = 0; i < slice.tokens.size(); ++i) {
        ASSERT_EQ(slice.tokens[i], batch.tokens[std::size_t(row) + i]);
      }
      for (std::size_t i = 0; i < slice.numbers.size(); ++i) {
        ASSERT_EQ(slice.numbers[i], batch.numbers[2 * std::size_t(row) + i]);
      }
      EXPECT_EQ(slice.targets.size() + slice.values.size(), slice.answer_rows.size());
      for (Index a = 0; a < slice.answers(); ++a, ++answer) {
        const auto at = std::size_t(a), in_batch = std::size_t(answer);
        EXPECT_EQ(slice.answer_rows[at], batch.answer_rows[in_batch] - row);
        EXPECT_EQ(slice.gaps[at], batch.gaps[in_batch]);
        if (tokens) {
          EXPECT_EQ(slice.targets[at], batch.targets[in_batch]);
        } else {
          EXPECT_EQ(slice.values[at], batch.values[in_batch]);
        }
      }
      row += part.count * kShape.steps;
    }
    EXPECT_EQ(answer, batch.answers());
    EXPECT_EQ(row, kShape.batch * kShape.steps);
  }
}

TEST(TaskBatch, AppendingItsPartsGivesTheWhole) {
  Random random(1);
  for (const bool tokens : {true, false}) {
    const TaskBatch batch = draw(random, tokens);
    TaskBatch whole, slice;
    whole.take(batch, {0, 7});
    for (const Part part : {Part{7, 1}, Part{8, 11}}) {
      slice.take(batch, part);
      whole.append(slice);
    }
    EXPECT_EQ(whole.shape.batch, batch.shape.batch);
    EXPECT_EQ(whole.tokens, batch.tokens);
    EXPECT_EQ(whole.numbers, batch.numbers);
    EXPECT_EQ(whole.answer_rows, batch.answer_rows);
    EXPECT_EQ(whole.targets, batch.targets);
    EXPECT_EQ(whole.values, batch.values);
    EXPECT_EQ(whole.gaps, batch.gaps);
  }
}

class EverySlicedModel : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Slices, EverySlicedModel, ::testing::ValuesIn(model_names()),
                         [](const auto& instance) { return instance.param; });

TEST_P(EverySlicedModel, SlicesGiveTheWholeBatchsLossAndGradient) {
  const ThreadTeam team;
  for (const bool tokens : {true, false}) {
    Random random(3);
    const TaskBatch batch = draw(random, tokens);
    const SequenceModelSpec spec = spec_of(GetParam(), tokens);
    Trained<double> whole(spec, batch, 1), sliced(spec, batch, 1);
    const double loss = whole.model.forward(team, batch, Keep::kForBackward);
    whole.model.backward(team, batch);
    SlicedPass<double> pass(sliced.model);
    // The sums over all tokens, in another order; each term comes through two layers of sums over
    // 130 steps of some four nested functions.
    const double eps = std::numeric_limits<double>::epsilon();
    EXPECT_NEAR(pass.run(team, batch), loss, eps * loss * 2 * 4 * 130);
    EXPECT_EQ(pass.right(), whole.model.right());
    for (std::size_t k = 0; k < whole.model.parameters().size(); ++k) {
      const auto expected = as_eigen(whole.model.parameters()[k]->gradient.matrix());
      const auto actual = as_eigen(sliced.model.parameters()[k]->gradient.matrix());
      const double tolerance = eps * double(kShape.batch * kShape.steps);
      EXPECT_LT((actual - expected).cwiseAbs().maxCoeff(), tolerance)
          << whole.model.parameter_names()[k];
      EXPECT_GT(expected.cwiseAbs().maxCoeff(), 1e3 * tolerance)
          << whole.model.parameter_names()[k];
    }
  }
}

TEST_P(EverySlicedModel, SlicesAreBitEqualForAnyTeam) {
  Random random(4);
  const TaskBatch batch = draw(random, true);
  const SequenceModelSpec spec = spec_of(GetParam(), true);
  Trained<float> one(spec, batch, 1), three(spec, batch, 3);
  EXPECT_EQ(SlicedPass<float>(one.model).run(ThreadTeam(1), batch),
            SlicedPass<float>(three.model).run(ThreadTeam(3), batch));
  for (std::size_t k = 0; k < one.model.parameters().size(); ++k) {
    EXPECT_TRUE(std::ranges::equal(one.model.parameters()[k]->gradient.values(),
                                   three.model.parameters()[k]->gradient.values()))
        << one.model.parameter_names()[k];
  }
}

}  // namespace
}  // namespace seqbench
