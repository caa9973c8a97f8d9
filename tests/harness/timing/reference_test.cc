#include "harness/timing/reference.h"

#include <gtest/gtest.h>

#include <cmath>

#include "harness/timing/case.h"

namespace seqbench {
namespace {

/// Every model and kernel, at a shape that is checked whole and at one that is sampled.
std::vector<Case> checked_cases() {
  std::vector<Case> cases;
  for (const ModelInfo& model : all_models()) {
    for (const std::string& kernel : model.kernels) {
      for (const bool causal : {false, true}) {
        if (causal && !model.has_heads()) continue;
        for (const Pass pass : {Pass::kForward, Pass::kTrain, Pass::kDecode}) {
          for (const SequenceShape shape :
               {SequenceShape{.batch = 1, .steps = 1}, SequenceShape{.batch = 3, .steps = 37},
                SequenceShape{.batch = 3, .steps = 300}}) {
            cases.push_back({.layer = {.model = model.name,
                                       .kernel = kernel,
                                       .width = 24,
                                       .heads = 3,
                                       .causal = causal},
                             .pass = pass,
                             .shape = shape});
          }
        }
      }
    }
  }
  return cases;
}

std::string difference_after_a_run(const Reference& reference, Workload& workload,
                                   const ThreadTeam& team) {
  Reference::keep_sampled_gradient(workload);
  workload.run(team);
  return reference.difference(workload);
}

TEST(Reference, AcceptsEveryKernel) {
  const ThreadTeam team(2);
  for (Case one : checked_cases()) {
    one.threads = 2;
    Workload workload(one, 7);
    const Reference reference(workload);
    EXPECT_EQ(difference_after_a_run(reference, workload, team), "") << one.id();
  }
}

/// Every pass in bfloat16, long enough that states and probabilities are rounded often.
std::vector<Case> rounded_cases() {
  std::vector<Case> cases;
  for (const ModelInfo& model : all_models()) {
    for (const SequenceShape shape :
         {SequenceShape{.batch = 1, .steps = 1}, SequenceShape{.batch = 3, .steps = 300}}) {
      for (const Index width : {24, 129}) {
        for (const Pass pass : {Pass::kForward, Pass::kTrain, Pass::kDecode}) {
          cases.push_back({.layer = {.model = model.name,
                                     .kernel = model.rounded_kernel,
                                     .width = width,
                                     .linear_candidate = model.name == "mingru" && width == 129,
                                     .heads = 3,
                                     .causal = model.has_heads() && width == 24,
                                     .factors = Factors::kBfloat16},
                           .pass = pass,
                           .shape = shape});
        }
      }
    }
  }
  return cases;
}

TEST(Reference, AcceptsEveryKernelInBfloat16) {
  const ThreadTeam team(2);
  for (Case one : rounded_cases()) {
    one.threads = 2;
    Workload workload(one, 7);
    EXPECT_EQ(difference_after_a_run(Reference(workload), workload, team), "") << one.id();
  }
}

// One weight of a product by an eighth of the largest: far beyond what rounding does.
TEST(Reference, CatchesAWrongWeightInBfloat16) {
  const ThreadTeam team(1);
  for (const Case& one : rounded_cases()) {
    if (one.shape.steps == 1) continue;
    Workload workload(one, 7);
    const Reference reference(workload);
    const MatrixView<float> weight = workload.layer().parameters()[0].value.matrix();
    for (Index j = 0; j < weight.cols; ++j) weight(weight.rows - 1, j) += 0.125f;
    EXPECT_NE(difference_after_a_run(reference, workload, team), "") << one.id();
  }
}

TEST(Reference, IsSharedByTheKernelsOfAModel) {
  const ThreadTeam team(1);
  const Case naive{.layer = {.model = "attention", .kernel = "naive", .width = 16, .heads = 2},
                   .pass = Pass::kTrain,
                   .shape = {.batch = 2, .steps = 70}};
  Case fused = naive;
  fused.layer.kernel = "fused";
  Workload of_naive(naive, 3), of_fused(fused, 3);
  const Reference reference(of_naive);
  EXPECT_EQ(difference_after_a_run(reference, of_fused, team), "");
}

TEST(Reference, CatchesAWrongParameterInEveryTensor) {
  const ThreadTeam team(1);
  for (const std::string model : {"elman", "lstm", "gru", "mingru", "attention"}) {
    const Case one{.layer = {.model = model,
                             .kernel = model_info(model).default_kernel,
                             .width = 8,
                             .heads = 2},
                   .pass = Pass::kTrain,
                   .shape = {.batch = 2, .steps = 20}};
    Workload workload(one, 5);
    const Reference reference(workload);
    for (Parameter<float>& parameter : workload.layer().parameters()) {
      // Element 0 of a key bias alone would change nothing: softmax is blind to it. The last
      // belongs to the values.
      float& element = parameter.value[parameter.value.size() - 1];
      const float right = element;
      element += 0.01f;
      EXPECT_NE(difference_after_a_run(reference, workload, team), "")
          << model << ' ' << parameter.name;
      element = right;
      EXPECT_EQ(difference_after_a_run(reference, workload, team), "")
          << model << ' ' << parameter.name;
    }
  }
}

// A sum that is exactly 0 in double and below it in float: g′ is 1 there, and ¼ here.
TEST(Reference, DoesNotCompareAGradientThatRoundingDecides) {
  const ThreadTeam team(1);
  const Case one{.layer = {.model = "mingru", .kernel = "scan", .width = 2},
                 .pass = Pass::kTrain,
                 .shape = {.batch = 1, .steps = 1}};
  Workload workload(one, 5);
  Parameter<float>&weight = workload.layer().parameters()[0],
  &bias = workload.layer().parameters()[1];
  const float* const x = workload.x().data;
  const bool rounds_down = std::fma(-x[1], x[0], x[0] * x[1]) < 0;  // the product's rounding
  weight.value[4] = rounds_down ? x[1] : -x[1];
  weight.value[5] = rounds_down ? -x[0] : x[0];
  bias.value[2] = 0;
  const Reference reference(workload);
  EXPECT_EQ(difference_after_a_run(reference, workload, team), "");
  // Of other rows, wrong ones are still found.
  weight.value[1] += 0.01f;
  EXPECT_NE(difference_after_a_run(reference, workload, team), "");
}

TEST(Reference, IsNeverComputedByTheKernelItself) {
  for (const Case& one : checked_cases()) {
    EXPECT_NE(Reference::kernel_for(one), one.layer.kernel) << one.id();
    EXPECT_EQ(Reference::kernel_for(one).empty(), one.model().has_heads());
  }
}

TEST(Reference, KeepsTheGradientOfItsRowsAlone) {
  const Case one{.layer = {.model = "attention", .kernel = "fused", .width = 8, .heads = 2},
                 .pass = Pass::kTrain,
                 .shape = {.batch = 9, .steps = 100}};
  Workload workload(one, 5);
  const SequenceView<float> dy = workload.dy();
  const std::vector<float> before(dy.data, dy.data + 9 * 100 * 8);
  Reference::keep_sampled_gradient(workload);
  Index kept = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (dy.data[i] == before[i]) {
      ++kept;
    } else {
      ASSERT_EQ(dy.data[i], 0.0f) << i;
    }
  }
  // Four of nine sequences, of each 9 fixed and up to 8 random rows.
  EXPECT_GE(kept, 4 * 9 * 8);
  EXPECT_LE(kept, 4 * 17 * 8);
}

}  // namespace
}  // namespace seqbench
