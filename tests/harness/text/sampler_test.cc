#include "harness/text/sampler.h"

#include <gtest/gtest.h>

#include <cmath>

#include "harness/models/registry.h"
#include "tests/harness/text/text_of.h"

namespace seqbench {
namespace {

TEST(DrawToken, FollowsTheSoftmaxAtATemperature) {
  const std::vector<float> logits = {0, std::log(2.0f), std::log(5.0f)};
  Random random(1);
  std::vector<int> counts(3), cold(3);
  for (int draw = 0; draw < 8000; ++draw) {
    ++counts[std::size_t(draw_token(random, logits, 1))];
    ++cold[std::size_t(draw_token(random, logits, 0.5))];
  }
  // Five standard deviations of a count.
  EXPECT_NEAR(counts[0], 1000, 5 * 30);
  EXPECT_NEAR(counts[1], 2000, 5 * 39);
  EXPECT_NEAR(cold[0], 8000.0 / 30, 5 * 17);  // squares: 1, 4, 25
  EXPECT_EQ(draw_token(random, logits, 0), 2);
}

TEST(Sampler, WritesWhatTheWholeContextCallsFor) {
  for (const std::string& name : model_names()) {
    const std::string variants[] = {name == "attention" ? "rotary" : "default", "learned"};
    for (const std::string& variant : variants) {
      if (!find_variant(name, variant)) continue;
      TextSettings settings = small_training(name, 11);
      settings.variant = *find_variant(name, variant);
      settings.length = 16;
      SequenceModel<float> model(model_spec(settings)), whole(model_spec(settings));
      Random random(3);
      model.initialise(random);
      for (Parameter<float>* parameter : model.parameters()) {
        for (float& value : parameter->value.values()) value *= 4;  // answers that differ
      }
      copy_parameters(model, whole);
      const ThreadTeam team;
      Sampler sampler(settings, team, model);
      std::vector<Token> tokens = {1, 2, 3};
      sampler.read(tokens);
      while (tokens.size() < 16) tokens.push_back(sampler.next(random, 0));

      TaskBatch batch;
      batch.start({1, 15});
      batch.tokens.assign(tokens.begin(), tokens.begin() + 15);
      batch.targets.assign(tokens.begin() + 1, tokens.end());
      for (Index row = 0; row < 15; ++row) batch.answer_rows.push_back(row);
      whole.reserve(batch.shape, 15, 1);
      whole.forward(team, batch, Keep::kNothing);
      for (std::size_t t = 2; t < 15; ++t) {
        EXPECT_EQ(whole.answers()[t], tokens[t + 1]) << name << " " << variant << " " << t;
      }
    }
  }
}

TEST(Sampler, GoesOnBeyondTheContext) {
  for (const std::string& name : model_names()) {
    const TextSettings settings = small_training(name, 11);  // length 6
    SequenceModel<float> model(model_spec(settings));
    Random random(3);
    model.initialise(random);
    const ThreadTeam team;
    Sampler sampler(settings, team, model);
    sampler.read(std::vector<Token>{1, 2, 3, 4, 5, 6, 7, 8});
    for (int i = 0; i < 40; ++i) {
      const Token token = sampler.next(random, 1);
      EXPECT_GE(token, 0);
      EXPECT_LT(token, 11);
    }
  }
}

// An LSTM carries h and c of each layer, attention keys and values of each token.
TEST(Sampler, TellsWhatIsCarried) {
  const auto bytes = [](const std::string& name) {
    const TextSettings settings = small_training(name, 11);
    SequenceModel<float> model(model_spec(settings));
    const ThreadTeam team;
    return Sampler(settings, team, model).state_bytes();
  };
  EXPECT_EQ(bytes("lstm"), 2 * 2 * 8 * sizeof(float));
  EXPECT_EQ(bytes("attention"), 2 * 2 * 6 * 8 * sizeof(float));
}

}  // namespace
}  // namespace seqbench
