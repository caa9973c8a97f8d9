#include "core/optimiser.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "tests/test_data.h"

namespace seqbench {
namespace {

constexpr double kEps = std::numeric_limits<double>::epsilon();

Parameter<double> parameter(const std::vector<double>& values,
                            const std::vector<double>& gradient = {}) {
  const Index n = static_cast<Index>(values.size());
  Parameter<double> result{"w", Tensor<double>({n}), Tensor<double>({n})};
  std::ranges::copy(values, result.value.data());
  std::ranges::copy(gradient, result.gradient.data());
  return result;
}

// w = torch.tensor([1., -2., .5, 0.], dtype=torch.float64, requires_grad=True)
// o = torch.optim.AdamW([w], lr=0.1)
// s = torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=4)
// for g in gradients: w.grad = torch.tensor(g); print(lr); o.step(); s.step(); print(w)
TEST(AdamW, MatchesPyTorchUnderACosineSchedule) {
  const std::vector<std::vector<double>> gradients{
      {0.5, -1.0, 0.0, 1e-9}, {0.25, 2.0, 0.0, 1e-9}, {-4.0, 0.125, 1e-3, 1e-9}};
  const std::vector<std::vector<double>> expected{
      {0.899000002, -1.898000001, 0.4995, -0.00909090909090909},
      {0.8186661503783943, -1.9276288471471548, 0.4990736500813987, -0.016842725792751638},
      {0.8449082940865885, -1.942576724930514, 0.4668839862290738, -0.02137975897530981}};
  const double expected_rate[] = {0.1, 0.08535533905932738, 0.05, 0.014644660940672627};

  const LearningRateSchedule schedule{.peak = 0.1, .training_steps = 4};
  Parameter<double> w = parameter({1, -2, 0.5, 0});
  AdamW<double> optimiser({&w});
  for (std::size_t t = 0; t < gradients.size(); ++t) {
    std::ranges::copy(gradients[t], w.gradient.data());
    optimiser.step(schedule.at(Index(t)));
    for (std::size_t i = 0; i < 4; ++i) {
      // Some 16 roundings a step, of values up to 2. PyTorch's 1 − β₁ is no double either.
      EXPECT_NEAR(w.value[Index(i)], expected[t][i], 16 * double(t + 1) * kEps * 2)
          << "step " << t << ", element " << i;
    }
  }
  // One rounding each of the argument, the cosine, the sum and the product.
  for (Index t = 0; t < 4; ++t) EXPECT_NEAR(schedule.at(t), expected_rate[t], 4 * kEps * 0.1);
}

// Where the gradient is 0 the decay is all that moves a parameter.
TEST(AdamW, DecaysMatricesAloneOnRequest) {
  Parameter<double> matrix{"w", Tensor<double>({1, 2}), Tensor<double>({1, 2})};
  matrix.value[0] = 1, matrix.value[1] = -2;
  Parameter<double> vector = parameter({1, -2}, {0, 0});
  AdamW<double> all({&matrix, &vector}, {.weight_decay = 0.5});
  all.step(0.1);
  EXPECT_EQ(vector.value[1], -2 * 0.95);
  AdamW<double> matrices({&matrix, &vector}, {.weight_decay = 0.5, .decayed = Decayed::kMatrices});
  matrices.step(0.1);
  EXPECT_EQ(matrix.value[0], 0.95 * 0.95);
  EXPECT_EQ(vector.value[1], -2 * 0.95);
}

TEST(AdamW, ATeamChangesNoBit) {
  const auto run = [&](const ThreadTeam& team) {
    Random draws(4);
    std::vector<Parameter<float>> parameters;
    std::vector<Parameter<float>*> pointers;
    for (const Index n : {70, 3, 5000, 1}) {
      parameters.push_back(
          {"w", normal_tensor<float>(draws, {n}), normal_tensor<float>(draws, {n}, 10)});
    }
    for (Parameter<float>& each : parameters) pointers.push_back(&each);
    AdamW<float> optimiser(pointers);
    std::vector<float> all;
    for (int step = 0; step < 3; ++step) {
      all.push_back(float(clip_global_norm(team, pointers, 5.0 - step)));
      optimiser.step(team, 0.01);
    }
    for (const Parameter<float>& each : parameters) {
      all.insert(all.end(), each.value.values().begin(), each.value.values().end());
    }
    return all;
  };
  EXPECT_EQ(run(ThreadTeam()), run(ThreadTeam(3)));
}

// Written out for two steps of one number each: v = 0.01·g², then 0.99·v + 0.01·g².
TEST(RmsProp, FollowsItsDefinition) {
  Parameter<double> w = parameter({1, -2}, {0.5, -4});
  RmsProp<double> optimiser({&w});
  optimiser.step(0.1);
  // g/√(0.01·g²) is 10 times the sign.
  EXPECT_NEAR(w.value[0], 1 - 0.1 * 0.5 / (0.05 + 1e-8), 8 * kEps);
  EXPECT_NEAR(w.value[1], -2 + 0.1 * 4 / (0.4 + 1e-8), 8 * kEps * 2);
  const double before = w.value[0];
  w.gradient[0] = 1;
  optimiser.step(0.2);
  const double v = 0.99 * 0.0025 + 0.01;
  EXPECT_NEAR(w.value[0], before - 0.2 / (std::sqrt(v) + 1e-8), 16 * kEps * 2);
}

// torch.nn.utils.clip_grad_norm_ of gradients [3, −4] and [12] to 1.
TEST(ClipGlobalNorm, MatchesPyTorch) {
  Parameter<double> a = parameter({0, 0}, {3, -4}), b = parameter({0}, {12});
  EXPECT_EQ(clip_global_norm<double>({&a, &b}, 1.0), 13.0);
  EXPECT_DOUBLE_EQ(a.gradient[0], 0.23076921301775288);
  EXPECT_DOUBLE_EQ(a.gradient[1], -0.3076922840236705);
  EXPECT_DOUBLE_EQ(b.gradient[0], 0.9230768520710115);
}

TEST(ClipGlobalNorm, LeavesSmallGradientsAlone) {
  Parameter<double> a = parameter({0, 0}, {0.3, -0.4});
  EXPECT_DOUBLE_EQ(clip_global_norm<double>({&a}, 1.0), 0.5);
  EXPECT_EQ(a.gradient[0], 0.3);
  EXPECT_EQ(a.gradient[1], -0.4);
}

TEST(LearningRateSchedule, RisesLinearlyThenFallsAsHalfACosine) {
  const LearningRateSchedule schedule{.peak = 2, .training_steps = 14, .warmup_steps = 4};
  EXPECT_EQ(schedule.at(0), 0.5);
  EXPECT_EQ(schedule.at(1), 1.0);
  EXPECT_EQ(schedule.at(3), 2.0);
  EXPECT_EQ(schedule.at(4), 2.0);
  EXPECT_DOUBLE_EQ(schedule.at(9), 1.0);  // halfway down
  EXPECT_DOUBLE_EQ(schedule.at(13), 1 + std::cos(std::numbers::pi * 0.9));
}

// nanoGPT's: a warm-up of 100 steps to 1e-3, then down to 1e-4 at the end.
TEST(LearningRateSchedule, FallsToTheFloor) {
  const LearningRateSchedule schedule{
      .peak = 1e-3, .floor = 1e-4, .training_steps = 2100, .warmup_steps = 100};
  EXPECT_NEAR(schedule.at(49), 0.5e-3, 8 * kEps * 1e-3);
  EXPECT_NEAR(schedule.at(100), 1e-3, 8 * kEps * 1e-3);
  EXPECT_NEAR(schedule.at(1100), 0.55e-3, 8 * kEps * 1e-3);
  EXPECT_NEAR(schedule.decayed(1), 1e-4, 8 * kEps * 1e-3);
  EXPECT_EQ(schedule.decayed(0.5), schedule.at(1100));
}

TEST(LearningRateSchedule, RestsBetweenChanges) {
  const LearningRateSchedule each{.peak = 2, .training_steps = 12, .warmup_steps = 3};
  LearningRateSchedule schedule = each;
  schedule.steps_per_change = 3;
  for (const Index t : {0, 1, 2, 3, 6, 9}) EXPECT_EQ(schedule.at(t), each.at(t));
  for (const Index t : {7, 8}) EXPECT_EQ(schedule.at(t), each.at(6));
}

TEST(LearningRateSchedule, FallsAsALineOrStaysAtThePeak) {
  LearningRateSchedule schedule{
      .peak = 2, .training_steps = 14, .warmup_steps = 4, .decay = Decay::kLinear};
  EXPECT_EQ(schedule.at(1), 1.0);
  EXPECT_EQ(schedule.at(4), 2.0);
  EXPECT_EQ(schedule.at(9), 1.0);
  EXPECT_DOUBLE_EQ(schedule.at(13), 0.2);
  schedule.decay = Decay::kConstant;
  EXPECT_EQ(schedule.at(1), 1.0);
  for (const Index t : {4, 9, 13}) EXPECT_EQ(schedule.at(t), 2.0);
}

TEST(LearningRateSchedule, FallsToItsFloor) {
  LearningRateSchedule schedule{.peak = 2, .floor = 0.5, .training_steps = 14, .warmup_steps = 4};
  EXPECT_EQ(schedule.at(0), 0.5);
  EXPECT_EQ(schedule.at(4), 2.0);
  EXPECT_DOUBLE_EQ(schedule.at(9), 1.25);  // halfway between 2 and 0.5
  schedule.decay = Decay::kLinear;
  EXPECT_DOUBLE_EQ(schedule.at(9), 1.25);
  EXPECT_DOUBLE_EQ(schedule.at(13), 0.65);
}

}  // namespace
}  // namespace seqbench
