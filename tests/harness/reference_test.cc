#include "harness/reference.h"

#include <gtest/gtest.h>

namespace seqbench {
namespace {

/// Every model and kernel, at a shape that is checked whole and at one that is sampled.
std::vector<Case> checked_cases() {
  std::vector<Case> cases;
  for (const ModelInfo& model : all_models()) {
    for (const std::string& kernel : model.kernels) {
      for (const bool causal : {false, true}) {
        if (causal && model.is_recurrent()) continue;
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

TEST(Reference, AcceptsEveryKernel) {
  const ThreadTeam team(2);
  for (Case one : checked_cases()) {
    one.threads = 2;
    Workload workload(one, 7);
    const Reference reference(workload);
    EXPECT_EQ(reference.check(workload, team), "") << one.id();
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
  EXPECT_EQ(reference.check(of_fused, team), "");
}

TEST(Reference, CatchesAWrongParameterInEveryTensor) {
  const ThreadTeam team(1);
  for (const std::string model : {"elman", "lstm", "gru", "attention"}) {
    const Case one{.layer = {.model = model,
                             .kernel = model_info(model).fastest_kernel(),
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
      EXPECT_NE(reference.check(workload, team), "") << model << ' ' << parameter.name;
      element = right;
      EXPECT_EQ(reference.check(workload, team), "") << model << ' ' << parameter.name;
    }
  }
}

TEST(Reference, LeavesTheUpstreamGradientAsItWas) {
  const Case one{.layer = {.model = "attention", .kernel = "fused", .width = 8, .heads = 2},
                 .pass = Pass::kTrain,
                 .shape = {.batch = 3, .steps = 100}};
  Workload workload(one, 5);
  const SequenceView<float> dy = workload.dy();
  const std::vector<float> before(dy.data, dy.data + 3 * 100 * 8);
  const Reference reference(workload);
  EXPECT_EQ(reference.check(workload, ThreadTeam(1)), "");
  EXPECT_TRUE(std::equal(before.begin(), before.end(), workload.dy().data));
}

}  // namespace
}  // namespace seqbench
