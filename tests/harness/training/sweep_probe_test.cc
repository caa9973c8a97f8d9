#include "harness/training/sweep_probe.h"

#include <gtest/gtest.h>

#include "harness/training/training.h"
#include "harness/training/training_cost.h"
#include "tests/harness/training/training_of.h"

namespace seqbench {
namespace {

SweepPoint probe(const TrainingSettings& settings) {
  SequenceModel<float> model(model_spec(settings));
  initialise(settings, model);
  return probe_sweeps(ThreadTeam(), settings, /*step=*/7, model);
}

TEST(SweepProbe, SolvesSequencesOfTheTrainingOneAtATime) {
  for (const std::string model : {"elman", "lstm", "gru"}) {
    const TrainingSettings settings = settings_of("first_token", model, "default", 40);
    ASSERT_TRUE(takes_sweeps(settings));
    const SweepPoint point = probe(settings);
    EXPECT_EQ(point.step, 7);
    EXPECT_EQ(point.seq_len, settings.seq_len());
    EXPECT_EQ(point.counts.windows, 16);  // a window each
    EXPECT_EQ(point.counts.fallbacks, 0);
    EXPECT_GT(point.counts.least, 2);
    EXPECT_LE(point.counts.most, point.seq_len);
    EXPECT_EQ(point.gate_mean.has_value(), model != "elman");
    EXPECT_EQ(probe(settings).counts.sweeps, point.counts.sweeps);
  }
  EXPECT_FALSE(takes_sweeps(settings_of("first_token", "attention", "learned", 8)));
  EXPECT_FALSE(takes_sweeps(settings_of("first_token", "mingru", "default", 8)));
}

TEST(SweepProbe, GatesOfAStartForLongMemoriesKeepMore) {
  const double plain = *probe(settings_of("first_token", "lstm", "default", 40)).gate_mean;
  const double chrono = *probe(settings_of("first_token", "lstm", "chrono", 40)).gate_mean;
  EXPECT_NEAR(plain, 0.5, 0.1);
  EXPECT_GT(chrono, 0.8);
  EXPECT_LT(chrono, 1);
}

TEST(SweepProbe, CountsEveryLayer) {
  TrainingSettings settings = settings_of("first_token", "gru", "default", 8);
  settings.form.layers = 2;
  EXPECT_EQ(probe(settings).counts.windows, 2 * 16);
}

TEST(SweepProbe, IsPartOfATrainingsMemory) {
  TrainingSettings settings = settings_of("first_token", "gru", "default", 8);
  const double without = training_cost(settings).bytes;
  settings.measure_sweeps = true;
  EXPECT_EQ(training_cost(settings).bytes, without + sweep_probe_bytes(settings));
}

}  // namespace
}  // namespace seqbench
