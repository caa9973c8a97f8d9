#include "harness/text/text_training.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "harness/base/errors.h"
#include "tests/harness/temporary_folder.h"
#include "tests/harness/text/text_of.h"

namespace seqbench {
namespace {

class TextTrainingTest : public FolderTest {
 protected:
  TextTrainingTest() { std::ofstream(folder_ / "text") << small_text(2000); }
  void SetUp() override { corpus_.emplace(folder_ / "text", std::nullopt); }

  TextSettings settings_of(const std::string& model) const {
    return small_training(model, corpus_->vocabulary().size());
  }
  static std::vector<float> parameters_of(TextTraining& training) {
    std::vector<float> all;
    for (const Parameter<float>* parameter : training.model().parameters()) {
      const auto values = parameter->value.values();
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  }
  static void take_steps(TextTraining& training, Index until) {
    while (training.step_number() < until) {
      training.step();
      if (training.is_point_due()) training.take_point();
    }
  }

  std::optional<Corpus> corpus_;
};

TEST_F(TextTrainingTest, LearnsAndTellsHow) {
  for (const std::string& model : model_names()) {
    TextSettings settings = settings_of(model);
    settings.budget = {.steps = 200};
    settings.learning_rate = 3e-2;
    settings.last_learning_rate = 3e-3;
    const ThreadTeam team(2);
    TextTraining training(settings, *corpus_, team);
    std::vector<TextPoint> points;
    while (training.progress() < 1) {
      training.step();
      if (training.is_point_due()) points.push_back(training.take_point());
    }
    ASSERT_EQ(points.size(), 100u);
    EXPECT_EQ(points.back().step, 200);
    EXPECT_EQ(points.back().tokens, 200 * 8 * 6);
    EXPECT_EQ(std::ranges::count_if(points, [](const auto& p) { return p.valid_loss.has_value(); }),
              10);
    // Each repeated character is nearly certain, of some twenty: log 20 is 3.
    EXPECT_LT(*points.back().valid_loss, 1.5) << model;
    EXPECT_LT(points.back().train_loss, points.front().train_loss) << model;
    // One byte a character.
    EXPECT_NEAR(*points.back().bits_per_byte, *points.back().valid_loss / std::numbers::ln2, 1e-12);
    EXPECT_NEAR(points.back().learning_rate, 3e-3, 1e-5);
    const auto losses = training.context_losses();
    ASSERT_EQ(losses.size(), 3u) << model;
    EXPECT_EQ(losses[2].by_position.size(), 24u);
  }
}

TEST_F(TextTrainingTest, CountsTheBytesOfLongCharacters) {
  std::string text;
  while (text.size() < 3000) text += "€ä";  // five bytes for two characters
  std::ofstream(folder_ / "long") << text;
  const Corpus corpus(folder_ / "long", std::nullopt);
  const ThreadTeam team;
  TextTraining training(small_training("gru", corpus.vocabulary().size()), corpus, team);
  while (training.progress() < 1) training.step();
  const TextPoint point = training.take_point();
  EXPECT_NEAR(*point.bits_per_byte, *point.valid_loss / std::numbers::ln2 * 2 / 5, 0.02);
}

TEST_F(TextTrainingTest, IsBitEqualForAnyNumberOfThreads) {
  const ThreadTeam one, three(3);
  for (const std::string model : {"attention", "lstm"}) {
    TextTraining a(settings_of(model), *corpus_, one), b(settings_of(model), *corpus_, three);
    take_steps(a, 20);
    take_steps(b, 20);
    EXPECT_EQ(parameters_of(a), parameters_of(b)) << model;
  }
}

TEST_F(TextTrainingTest, GoesOnFromAFileAsIfItHadNotEnded) {
  const ThreadTeam team(2);
  for (const std::string& model : model_names()) {
    const TextSettings settings = settings_of(model);
    TextTraining whole(settings, *corpus_, team);
    take_steps(whole, 20);
    TextTraining first(settings, *corpus_, team);
    take_steps(first, 7);
    first.save(folder_ / "file");
    TextTraining second(settings, *corpus_, team);
    second.go_on_from(read_safetensors(folder_ / "file"));
    EXPECT_EQ(second.step_number(), 7);
    take_steps(second, 20);
    EXPECT_EQ(parameters_of(second), parameters_of(whole)) << model;
    EXPECT_FALSE(second.progress() < 1);
  }
}

TEST_F(TextTrainingTest, AStatefulOneGoesOnFromAFileAsIfItHadNotEnded) {
  const ThreadTeam team(2);
  for (const std::string& model : model_names(ModelKind::kRecurrent)) {
    TextSettings settings = settings_of(model);
    settings.stateful = true;
    settings.budget = {.steps = 100};  // streams of 225 characters start anew after 37
    TextTraining whole(settings, *corpus_, team);
    take_steps(whole, 100);
    TextTraining first(settings, *corpus_, team);
    take_steps(first, 43);
    first.save(folder_ / "file");
    TextTraining second(settings, *corpus_, team);
    second.go_on_from(read_safetensors(folder_ / "file"));
    take_steps(second, 100);
    EXPECT_EQ(parameters_of(second), parameters_of(whole)) << model;
    settings.stateful = false;
    TextTraining alone(settings, *corpus_, team);
    take_steps(alone, 100);
    EXPECT_NE(parameters_of(alone), parameters_of(whole)) << model;
    EXPECT_EQ(second.context_losses().size(), 3u);
  }
}

TEST_F(TextTrainingTest, AStreamThatStartsAnewForgetsItsState) {
  // Parts of 9 characters, each of one window.
  std::ofstream(folder_ / "short") << small_text(80);
  const Corpus corpus(folder_ / "short", std::nullopt);
  const ThreadTeam team;
  TextSettings settings = small_training("lstm", corpus.vocabulary().size());
  settings.stateful = true;
  settings.learning_rate = settings.last_learning_rate = 0;
  TextTraining training(settings, corpus, team);
  training.step();
  const double loss = training.step();
  EXPECT_EQ(training.step(), loss);
  EXPECT_EQ(training.step(), loss);
}

TEST_F(TextTrainingTest, RefusesPlacesThatAreNotOfItsText) {
  const ThreadTeam team;
  TextSettings settings = settings_of("gru");
  settings.stateful = true;
  TextTraining training(settings, *corpus_, team);
  training.save(folder_ / "file");
  TensorFile file = read_safetensors(folder_ / "file");
  file.metadata["places"] = "0,1,2,3,4,5,6,99999";
  EXPECT_THROW(training.go_on_from(file), FileError);
}

TEST_F(TextTrainingTest, ABudgetOfSecondsEndsWithTheRateFallen) {
  const ThreadTeam team;
  TextSettings settings = settings_of("gru");
  settings.budget = {.seconds = 0.2};
  TextTraining training(settings, *corpus_, team);
  double rate = 1;
  while (training.progress() < 1) {
    training.step();
    if (training.is_point_due()) rate = training.take_point().learning_rate;
  }
  // Far down, though the last step may take a good part of the budget on a busy machine.
  EXPECT_LT(rate, 1e-3);
  EXPECT_GE(rate, 1e-4);
}

TEST_F(TextTrainingTest, RefusesTheFileOfAnotherTraining) {
  const ThreadTeam team;
  TextTraining first(settings_of("gru"), *corpus_, team);
  first.save(folder_ / "file");
  TextSettings settings = settings_of("gru");
  settings.seed = 2;
  TextTraining other(settings, *corpus_, team);
  try {
    other.go_on_from(read_safetensors(folder_ / "file"));
    FAIL();
  } catch (const FileError& error) {
    EXPECT_NE(std::string(error.what()).find("seed is '1', expected '2'"), std::string::npos)
        << error.what();
  }
}

TEST_F(TextTrainingTest, LearnedPositionsEndWithTheTrainedLength) {
  TextSettings settings = settings_of("attention");
  settings.variant = *find_variant("attention", "learned");
  const ThreadTeam team;
  TextTraining training(settings, *corpus_, team);
  take_steps(training, 20);
  EXPECT_EQ(training.context_losses().size(), 1u);
}

}  // namespace
}  // namespace seqbench
