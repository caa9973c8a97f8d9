#include "harness/training/frontier.h"

#include <gtest/gtest.h>

#include "harness/tasks/task.h"
#include "harness/tasks/tasks.h"

namespace seqbench {
namespace {

TrainingSettings of_mqar(const std::string& model, const std::string& variant, Index layers) {
  TrainingSettings settings = default_training(task_by_name("mqar"), nullptr, model);
  settings.variant = *find_variant(model, variant);
  settings.distance = 64;
  settings.form.width = 32;
  settings.form.layers = layers;
  return settings;
}

TEST(CarriedBytes, AreStatesKeysAndValuesOfEveryTokenAndInputsOfConvolutions) {
  constexpr double kVector = 4 * 32;  // bytes
  EXPECT_EQ(carried_bytes(of_mqar("elman", "default", 1)), kVector);
  EXPECT_EQ(carried_bytes(of_mqar("lstm", "default", 1)), 2 * kVector);  // and the cell
  EXPECT_EQ(carried_bytes(of_mqar("gru", "default", 2)), 2 * kVector);
  EXPECT_EQ(carried_bytes(of_mqar("mingru", "conv3", 2)), 2 * (1 + 2) * kVector);
  EXPECT_EQ(carried_bytes(of_mqar("attention", "learned", 2)), 2 * 2 * 64 * kVector);
}

TEST(DecodeCase, IsTheLastTokenOfOneSequenceOnOneThread) {
  const Case one = decode_case(of_mqar("attention", "conv3", 2));
  EXPECT_EQ(one.pass, Pass::kDecode);
  EXPECT_EQ(one.shape.batch, 1);
  EXPECT_EQ(one.shape.steps, 63);
  EXPECT_EQ(one.layer.width, 32);
  EXPECT_EQ(one.layer.kernel, "fused");
  EXPECT_EQ(one.threads, 1);
}

}  // namespace
}  // namespace seqbench
