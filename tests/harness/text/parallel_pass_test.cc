#include "harness/text/parallel_pass.h"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/harness/temporary_folder.h"
#include "tests/harness/text/text_of.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

class ParallelPassTest : public FolderTest {
 protected:
  ParallelPassTest() { std::ofstream(folder_ / "text") << small_text(600); }

  SequenceModelSpec spec_of(const std::string& model) const {
    return model_spec(small_training(model, corpus_->vocabulary().size()));
  }
  void SetUp() override { corpus_.emplace(folder_ / "text", std::nullopt); }

  TaskBatch draw(SequenceShape shape) const {
    Random random(5);
    TaskBatch batch;
    corpus_->draw_training(random, shape, batch);
    return batch;
  }
  /// The loss and all gradients of a batch.
  struct Pass {
    double loss = 0;
    std::vector<std::vector<float>> gradients;
  };
  Pass pass_of(const std::string& name, const TaskBatch& batch, int threads) const {
    SequenceModel<float> model(spec_of(name));
    Random random(1);
    model.initialise(random);
    const ThreadTeam team(threads);
    ParallelPass parallel(spec_of(name), batch.shape, team, model);
    Pass pass;
    parallel.train(batch);  // what an earlier batch leaves has no part in the next one
    pass.loss = parallel.train(batch);
    for (const Parameter<float>* parameter : model.parameters()) {
      const auto values = parameter->gradient.values();
      pass.gradients.emplace_back(values.begin(), values.end());
    }
    return pass;
  }

  std::optional<Corpus> corpus_;
};

TEST(ParallelSlices, ArePowersOfTwoOfFourSequencesOrMore) {
  const auto count = [](Index batch) { return parallel_slices({batch, 64}).count(); };
  EXPECT_EQ(count(1), 1);
  EXPECT_EQ(count(7), 1);
  EXPECT_EQ(count(8), 2);
  EXPECT_EQ(count(12), 2);
  EXPECT_EQ(count(16), 4);
  EXPECT_EQ(count(64), 16);
  EXPECT_EQ(count(1000), 32);
}

TEST_F(ParallelPassTest, IsBitEqualForAnyNumberOfThreads) {
  for (const std::string& name : model_names()) {
    for (const Index sequences : {3, 8, 18}) {
      const TaskBatch batch = draw({sequences, 6});
      const Pass one = pass_of(name, batch, 1);
      for (const int threads : {2, 3, 5}) {
        const Pass other = pass_of(name, batch, threads);
        EXPECT_EQ(other.loss, one.loss) << name << " " << threads;
        EXPECT_EQ(other.gradients, one.gradients) << name << " " << threads;
      }
    }
  }
}

TEST_F(ParallelPassTest, GivesTheGradientOfTheWholeBatch) {
  for (const std::string& name : model_names()) {
    const TaskBatch batch = draw({18, 6});  // slices of 5, 5, 4 and 4
    SequenceModel<float> whole(spec_of(name));
    Random random(1);
    whole.initialise(random);
    whole.reserve(batch.shape, batch.answers(), 1);
    const double loss = whole.forward(ThreadTeam(), batch, Keep::kForBackward);
    whole.backward(ThreadTeam(), batch);
    const Pass pass = pass_of(name, batch, 2);
    // A mean of 108 losses, each a sum over some 30 characters.
    EXPECT_NEAR(pass.loss, loss, 108 * 1e-7 * loss) << name;
    for (std::size_t k = 0; k < pass.gradients.size(); ++k) {
      const auto expected = whole.parameters()[k]->gradient.values();
      const double bound = 108 * 1.2e-7 * 8 * max_abs<float>(expected) + 1e-9;
      for (std::size_t i = 0; i < expected.size(); ++i) {
        ASSERT_NEAR(pass.gradients[k][i], expected[i], bound)
            << name << " " << whole.parameter_names()[k];
      }
    }
  }
}

TEST_F(ParallelPassTest, ValidationIsTheMeanOfTheLossesOfAllWindows) {
  for (const std::string& name : {std::string("attention"), std::string("gru")}) {
    SequenceModel<float> model(spec_of(name));
    Random random(1);
    model.initialise(random);
    const ThreadTeam team(2);
    ParallelPass pass(spec_of(name), {8, 6}, team, model);
    const ValidationPlan plan = corpus_->plan_validation(6, pass.evaluated_sequences());
    const ValidationLoss found = pass.evaluate(*corpus_, plan);

    double sum = 0, first = 0, windows = 0;
    for (const auto& batch : plan.batches) {
      for (const Index start : batch.starts) {
        TaskBatch window;
        corpus_->read_validation({.starts = {start}, .steps = batch.steps}, window);
        model.forward(ThreadTeam(), window, Keep::kNothing);
        sum += std::accumulate(model.losses().begin(), model.losses().end(), 0.0);
        if (batch.steps == 6) first += model.losses().front();
        windows += batch.steps == 6;
      }
    }
    EXPECT_NEAR(found.mean, sum / double(plan.tokens), 1e-5) << name;
    ASSERT_EQ(found.by_position.size(), 6u);
    EXPECT_NEAR(found.by_position[0], first / windows, 1e-5) << name;
  }
}

}  // namespace
}  // namespace seqbench
