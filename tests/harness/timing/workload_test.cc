#include "harness/timing/workload.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "harness/machine/placement.h"
#include "harness/timing/case.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

/// All that a pass turns out, one tensor after the other.
Tensor<float> results_of(Workload& workload) {
  std::vector<float> all;
  const auto append = [&all](const float* data, Index count) {
    all.insert(all.end(), data, data + count);
  };
  const auto y = workload.y();
  append(y.data, y.batch * y.steps * y.width);
  if (workload.the_case().pass == Pass::kTrain) {
    const auto dx = workload.dx();
    append(dx.data, dx.batch * dx.steps * dx.width);
    for (const Parameter<float>& parameter : workload.layer().parameters()) {
      append(parameter.gradient.data(), parameter.gradient.size());
    }
  }
  Tensor<float> results({static_cast<Index>(all.size())});
  std::ranges::copy(all, results.data());
  return results;
}

TEST(Workload, ResultsDependNeitherOnTheRunNorOnTheThreads) {
  // Shapes whose products, steps and tiles are split among threads, and whose batch is.
  for (const SequenceShape shape : {SequenceShape{1, 200}, SequenceShape{6, 70}}) {
    for (const ModelInfo& model : all_models()) {
      for (const std::string& kernel : model.kernels) {
        for (const Pass pass : {Pass::kForward, Pass::kTrain, Pass::kDecode}) {
          Case one{.layer = {.model = model.name, .kernel = kernel, .width = 128, .heads = 2},
                   .pass = pass,
                   .shape = shape};
          // Of the first, second, … run: in decode a recurrent state goes on from run to run.
          std::vector<Tensor<float>> expected;
          for (const int threads : {1, 1, 2, 3}) {
            one.threads = threads;
            Workload workload(one, /*seed=*/7);
            const ThreadTeam team = make_team(threads);
            for (std::size_t run = 0; run < 3; ++run) {
              workload.run(team);
              if (run == expected.size()) expected.push_back(results_of(workload));
              EXPECT_TRUE(bit_equal(results_of(workload), expected[run])) << one.id() << run;
            }
          }
          if (pass != Pass::kDecode) {
            EXPECT_TRUE(bit_equal(expected[2], expected[0])) << one.id();
          }
        }
      }
    }
  }
}

TEST(Workload, TheSeedDecidesParametersAndInputs) {
  const Case one{.layer = {.model = "gru", .kernel = "hoisted", .width = 16},
                 .shape = {.batch = 2, .steps = 9}};
  const ThreadTeam team = make_team(1);
  const auto outcome = [&](std::uint64_t seed) {
    Workload workload(one, seed);
    workload.run(team);
    return results_of(workload);
  };
  EXPECT_TRUE(bit_equal(outcome(1), outcome(1)));
  EXPECT_FALSE(bit_equal(outcome(1), outcome(2)));
}

TEST(Workload, StartsForMemoriesOfAllItsSteps) {
  Case one{.layer = {.model = "gru", .kernel = "newton", .width = 64},
           .shape = {.batch = 1, .steps = 100}};
  one.start = "chrono";
  Workload workload(one, /*seed=*/1);
  // b_z of r z n is the logarithm of a memory of 1 to 99 steps.
  const std::span<const float> bias = workload.layer().parameters()[2].value.values();
  const auto gate = bias.subspan(64, 64);
  EXPECT_GE(*std::ranges::min_element(gate), 0);
  EXPECT_GT(*std::ranges::max_element(gate), std::log(50.0f));
  EXPECT_LE(*std::ranges::max_element(gate), std::log(99.0f));
  EXPECT_EQ(bias[0], 0);
  workload.run(make_team(1));
  EXPECT_EQ(workload.layer().sweep_counts().windows, 4);
  one.shape.steps = 1;  // as short as one can be
  EXPECT_NO_THROW(Workload(one, 1));
}

}  // namespace
}  // namespace seqbench
