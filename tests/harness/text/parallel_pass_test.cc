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

/// Some neighbouring tokens of every sequence, all asked about.
TaskBatch segment_of(const TaskBatch& batch, Index first, Index steps) {
  TaskBatch segment;
  segment.start({batch.shape.batch, steps});
  for (Index b = 0; b < batch.shape.batch; ++b) {
    for (Index t = 0; t < steps; ++t) {
      const auto at = static_cast<std::size_t>(b * batch.shape.steps + first + t);
      segment.tokens.push_back(batch.tokens[at]);
      segment.targets.push_back(batch.targets[at]);
      segment.answer_rows.push_back(b * steps + t);
    }
  }
  return segment;
}

TEST_F(ParallelPassTest, SegmentsThatCarryTheStateAreOneLongWindow) {
  for (const std::string& name : model_names(ModelKind::kRecurrent)) {
    for (const Index sequences : {3, 18}) {  // one slice, and four
      const TaskBatch batch = draw({sequences, 24});
      SequenceModel<float> whole(spec_of(name));
      Random random(1);
      whole.initialise(random);
      const std::vector<Index> shape{sequences, whole.carried_width()};
      ASSERT_GT(shape[1], 0) << name;
      Tensor<float> zeros(shape), expected(shape), before(shape), after(shape);
      whole.reserve(batch.shape, batch.answers(), 1);
      whole.carry({zeros.matrix(), expected.matrix()});
      const double loss = whole.forward(ThreadTeam(), batch, Keep::kNothing);

      SequenceModel<float> model(spec_of(name));
      Random again(1);
      model.initialise(again);
      const ThreadTeam team(2);
      ParallelPass pass(spec_of(name), {sequences, 6}, team, model);
      double mean = 0;
      for (Index first = 0; first < 24; first += 6) {
        std::swap(before, after);
        mean += pass.train(segment_of(batch, first, 6), {before.matrix(), after.matrix()}) / 4;
      }
      // 24 steps of sums over 8 numbers.
      EXPECT_LE(max_difference(after, expected), 24 * 8 * 1.2e-7) << name;
      EXPECT_NEAR(mean, loss, 24 * 8 * 1.2e-7 * loss) << name;
    }
  }
}

TEST_F(ParallelPassTest, ValidationInStreamsIsThatOfEachStreamInOnePiece) {
  std::ofstream(folder_ / "longer") << small_text(2000);
  corpus_.emplace(folder_ / "longer", std::nullopt);
  for (const std::string& name : {std::string("lstm"), std::string("mingru")}) {
    SequenceModel<float> model(spec_of(name));
    Random random(1);
    model.initialise(random);
    const ThreadTeam team(2);
    ParallelPass pass(spec_of(name), {8, 6}, team, model);
    const ValidationPlan plan = corpus_->plan_streams(6, pass.slices());
    const ValidationLoss found = pass.evaluate(*corpus_, plan);
    EXPECT_EQ(plan.tokens, corpus_->plan_validation(6, 8).tokens);

    // Windows of a stream behind each other, as one.
    double sum = 0;
    for (Index stream = 0; stream < plan.streams; ++stream) {
      TaskBatch whole;
      Index expected_start = -1;
      for (const auto& batch : plan.batches) {
        const Index at = stream - batch.stream;
        if (at < 0 || at >= Index(batch.starts.size())) continue;
        const Index start = batch.starts[static_cast<std::size_t>(at)];
        if (expected_start >= 0) {
          EXPECT_EQ(start, expected_start);  // one byte a character
        }
        expected_start = start + batch.steps;
        TaskBatch window;
        corpus_->read_validation({.starts = {start}, .steps = batch.steps}, window);
        whole.tokens.insert(whole.tokens.end(), window.tokens.begin(), window.tokens.end());
        whole.targets.insert(whole.targets.end(), window.targets.begin(), window.targets.end());
      }
      whole.shape = {1, Index(whole.tokens.size())};
      whole.answer_rows.resize(whole.tokens.size());
      std::iota(whole.answer_rows.begin(), whole.answer_rows.end(), Index{0});
      ASSERT_GT(whole.answers(), 6) << "a stream of more than a window";
      SequenceModel<float> one(spec_of(name));
      copy_parameters(model, one);
      one.reserve(whole.shape, whole.answers(), 1);
      one.forward(ThreadTeam(), whole, Keep::kNothing);
      sum += std::accumulate(one.losses().begin(), one.losses().end(), 0.0);
    }
    EXPECT_NEAR(found.mean, sum / double(plan.tokens), 1e-5) << name;
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
