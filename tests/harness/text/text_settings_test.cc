#include "harness/text/text_settings.h"

#include <gtest/gtest.h>

#include "harness/base/errors.h"
#include "harness/models/sequence_model.h"
#include "tests/harness/text/text_of.h"

namespace seqbench {
namespace {

TextSettings preset_of(const std::string& model) {
  TextSettings settings = text_preset("nanogpt-shakespeare").settings;
  settings.model = model;
  settings.variant = *find_variant(model, model == "attention"
                                              ? text_preset("nanogpt-shakespeare").attention_variant
                                              : "default");
  settings.vocabulary = 65;
  return settings;
}

// nanoGPT counts 0.80M parameters without positions: 65·128 + 4·(12·128² + 2·128) + 128, and
// 64·128 of them. The others as PyTorch's layers have them in attention's place.
TEST(NanoGptShakespeare, HasThePublishedParameters) {
  EXPECT_EQ(parameter_count(preset_of("attention")),
            65 * 128 + 64 * 128 + 4 * (12 * 128 * 128 + 2 * 128) + 128);
  EXPECT_EQ(parameter_count(preset_of("lstm")),
            65 * 128 + 4 * (8 * 128 * 128 + 8 * 128 + 8 * 128 * 128 + 2 * 128) + 128);
  EXPECT_EQ(parameter_count(preset_of("gru")),
            65 * 128 + 4 * (6 * 128 * 128 + 6 * 128 + 8 * 128 * 128 + 2 * 128) + 128);
}

TEST(NanoGptShakespeare, TrainsAsPublished) {
  const TextSettings settings = preset_of("attention");
  EXPECT_EQ(settings.optimiser.beta2, 0.99);
  EXPECT_EQ(settings.optimiser.weight_decay, 0.1);
  EXPECT_EQ(settings.optimiser.decayed, Decayed::kMatrices);
  EXPECT_EQ(settings.longest(), 64);
  SequenceModel<float> model(model_spec(settings));
  for (const std::string& name : model.parameter_names()) {
    EXPECT_EQ(name.find("bias"), std::string::npos) << name;
  }
}

TEST(TextVariants, LeaveATextItsEvidence) {
  const auto names = text_variants("attention");
  EXPECT_EQ(std::ranges::count(names, "rotary"), 1);
  EXPECT_EQ(std::ranges::count(names, "noanswer"), 0);
  EXPECT_EQ(std::ranges::count(names, "conv3"), 0);
  EXPECT_EQ(text_variants("lstm").front(), "default");
}

TEST(TextVariants, CarryTheirStateWhereTheyAreRecurrentAlone) {
  const auto can = [](const std::string& model, const std::string& variant) {
    return can_carry_state(model, *find_variant(model, variant));
  };
  EXPECT_TRUE(can("lstm", "chrono"));
  EXPECT_TRUE(can("mingru", "linear"));
  EXPECT_FALSE(can("gru", "default+conv3"));
  EXPECT_FALSE(can("attention", "rotary"));
}

TEST(MatchParameters, WidensTheSmallerModels) {
  std::vector<TextSettings> trainings = {preset_of("mingru"), preset_of("attention"),
                                         preset_of("lstm")};
  match_parameters(trainings);
  const double target = double(parameter_count(trainings[2]));
  EXPECT_EQ(trainings[2].form.width, 128);
  for (const TextSettings& settings : trainings) {
    EXPECT_EQ(settings.match, "parameters");
    EXPECT_NEAR(double(parameter_count(settings)), target, 0.1 * target);
  }
  EXPECT_GT(trainings[0].form.width, 128);
  EXPECT_EQ(trainings[1].form.width % 4, 0) << "of heads";
}

TEST(MatchParameters, RefusesWhatCannotComeClose) {
  std::vector<TextSettings> trainings = {small_training("attention", 20),
                                         small_training("lstm", 20)};
  trainings[0].form.heads = trainings[0].form.width = 40;
  trainings[1].form.width = 46;
  EXPECT_THROW(match_parameters(trainings), UsageError);
}

}  // namespace
}  // namespace seqbench
