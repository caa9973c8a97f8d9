#include "harness/text/checkpoint.h"

#include <gtest/gtest.h>

#include "harness/base/errors.h"
#include "harness/models/registry.h"
#include "tests/harness/file_error.h"
#include "tests/harness/temporary_folder.h"
#include "tests/harness/text/text_of.h"

namespace seqbench {
namespace {

class CheckpointTest : public FolderTest {
 protected:
  TextModelFacts facts_of(const std::string& model) const {
    return {.settings = small_training(model, 3),
            .vocabulary = Vocabulary(characters_of("a\nä")),
            .text_sha256 = "abc",
            .at = {.step = 7, .seconds = 0.1, .warmup_share = 1.0 / 3}};
  }
  TensorFile written(const TextModelFacts& facts) const {
    SequenceModel<float> model(model_spec(facts.settings));
    Random random(2);
    model.initialise(random);
    AdamW<float> optimiser(model.parameters());
    optimiser.state().first_moments[0][0] = 5;
    write_text_model(folder_ / "file", facts, model, optimiser.state());
    return read_safetensors(folder_ / "file");
  }
  std::string refused(const TensorFile& file) const {
    try {
      text_model_facts(file);
    } catch (const FileError& error) {
      return error.what();
    }
    return "";
  }
};

TEST_F(CheckpointTest, GivesBackWhatWasWritten) {
  for (const std::string& name : model_names()) {
    const TextModelFacts facts = facts_of(name);
    const TensorFile file = written(facts);
    const TextModelFacts read = text_model_facts(file);
    EXPECT_EQ(read.vocabulary.alphabet(), "\naä");
    EXPECT_EQ(read.at.step, 7);
    EXPECT_EQ(read.at.seconds, 0.1);
    EXPECT_EQ(read.at.warmup_share, 1.0 / 3);
    EXPECT_FALSE(read.is_finished);
    refuse_other_training(file, facts);
    SequenceModel<float> model(model_spec(read.settings));
    AdamW<float> optimiser(model.parameters());
    load_text_model(file, read, model, &optimiser.state());
    EXPECT_EQ(optimiser.state().first_moments[0][0], 5);
    EXPECT_EQ(optimiser.state().steps_taken, 7);
  }
}

TEST_F(CheckpointTest, OfAStatefulTrainingHasPlacesAndStates) {
  TextModelFacts facts = facts_of("lstm");
  facts.settings.stateful = true;
  facts.places = {3, 1234567890123};
  SequenceModel<float> model(model_spec(facts.settings));
  AdamW<float> optimiser(model.parameters());
  Tensor<float> state({2, model.carried_width()}), found(state.shape());
  state[5] = 7;
  write_text_model(folder_ / "file", facts, model, optimiser.state(), &state);
  const TensorFile file = read_safetensors(folder_ / "file");
  const TextModelFacts read = text_model_facts(file);
  EXPECT_TRUE(read.settings.stateful);
  EXPECT_EQ(read.places, facts.places);
  load_text_model(file, read, model, &optimiser.state());
  load_carried_state(file, found);
  EXPECT_EQ(found[5], 7);

  TensorFile changed{.name = file.name, .metadata = file.metadata, .entries = {}};
  changed.metadata["places"] = "3,x";
  EXPECT_NE(refused(changed).find("places"), std::string::npos);
  changed.metadata = file.metadata;
  changed.metadata["model"] = "attention";
  changed.metadata["variant"] = "rotary";
  EXPECT_NE(refused(changed).find("stateful"), std::string::npos);
  facts.settings.stateful = false;
  try {
    refuse_other_training(file, facts);
    FAIL();
  } catch (const FileError& error) {
    EXPECT_NE(std::string(error.what()).find("stateful is 'true'"), std::string::npos);
  }
}

TEST_F(CheckpointTest, OfTheFirstVersionWasNotStateful) {
  const TextModelFacts facts = facts_of("gru");
  TensorFile file = written(facts);
  file.metadata["seqbench_text_model"] = "1";
  file.metadata.erase("stateful");
  EXPECT_FALSE(text_model_facts(file).settings.stateful);
  refuse_other_training(file, facts);
}

TEST_F(CheckpointTest, OfAFinishedTrainingHasTheParametersAlone) {
  TextModelFacts facts = facts_of("gru");
  const std::size_t under_way = written(facts).entries.size();
  facts.is_finished = true;
  EXPECT_EQ(3 * written(facts).entries.size(), under_way);
}

TEST_F(CheckpointTest, RefusesForeignNewerAndImpossibleFiles) {
  TensorFile file = written(facts_of("attention"));
  const auto with = [&](const std::string& key, const std::string& value) {
    TensorFile changed{.name = file.name, .metadata = file.metadata, .entries = {}};
    changed.metadata[key] = value;
    return refused(changed);
  };
  EXPECT_NE(with("seqbench_text_model", "3").find("newer"), std::string::npos);
  EXPECT_NE(with("heads", "3").find("divisor"), std::string::npos);
  EXPECT_NE(with("width", "0").find("width"), std::string::npos);
  EXPECT_NE(with("width", "2000000000").find("memory"), std::string::npos);
  EXPECT_NE(with("model", "mamba").find("model"), std::string::npos);
  EXPECT_NE(with("alphabet", "ba").find("ascend"), std::string::npos);
  EXPECT_NE(with("colour", "red").find("colour"), std::string::npos);
  EXPECT_NE(refused({.name = "x", .metadata = {{"task", "mqar"}}, .entries = {}}).find("train"),
            std::string::npos);
}

}  // namespace
}  // namespace seqbench
