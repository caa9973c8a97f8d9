#include "harness/timing/roofline.h"

#include <gtest/gtest.h>

#include "harness/machine/probe.h"
#include "harness/timing/case.h"

namespace seqbench {
namespace {

TEST(LimitSeconds, FollowsTheFormula) {
  MachineLimits limits;
  limits.peak_gflops = 1;                   // 10⁹ FLOP/s
  limits.bandwidth = {{1, 1e9}, {2, 1e9}};  // 10⁹ B/s
  Case one{.layer = {.model = "lstm", .kernel = "hoisted", .width = 8},
           .shape = {.batch = 1, .steps = 10}};
  // A step's product: 2·4·8·8 = 512 FLOPs = 512 ns; its weights: 4·4·8·8 = 1024 bytes = 1024 ns.
  EXPECT_NEAR(limit_seconds(one, limits), 10 * (512e-9 + 1024e-9), 1e-15);
  one.pass = Pass::kTrain;
  EXPECT_NEAR(limit_seconds(one, limits), 10 * (4 * 512e-9 + 2 * 1024e-9), 1e-15);
  limits.barrier_seconds = 100e-9;  // once a step of either loop
  EXPECT_NEAR(limit_seconds(one, limits), 10 * (4 * 512e-9 + 2 * 1124e-9), 1e-15);
  limits.barrier_seconds = 0;
  one.shape.batch = 4;  // now the FLOPs of a step are the longer part
  EXPECT_NEAR(limit_seconds(one, limits), 10 * 6 * 4 * 512e-9, 1e-15);
  one.layer = {.model = "attention", .kernel = "fused", .width = 8, .heads = 2};
  EXPECT_NEAR(limit_seconds(one, limits), 1e-9 * one.cost().flops, 1e-15);
}

TEST(LimitSeconds, OfAModelAddsWhatStandsBesideItsLayers) {
  MachineLimits limits;
  limits.peak_gflops = 1;
  limits.bandwidth = {{1, 1e9}, {2, 1e9}};
  Case one{.layer = {.model = "lstm", .kernel = "hoisted", .width = 8},
           .shape = {.batch = 1, .steps = 10}};
  const double layer = limit_seconds(one, limits);
  one.scope = Scope::kBlock;
  EXPECT_NEAR(limit_seconds(one, limits), layer + 10 * 16 * 64 * 1e-9, 1e-15);
  one.scope = Scope::kModel;
  one.layers = 3;
  EXPECT_NEAR(limit_seconds(one, limits),
              3 * (layer + 10 * 16 * 64 * 1e-9) + 10 * 2 * 8 * 65 * 1e-9, 1e-15);
  // A token reads the MLPs' and norms' weights and the table: (2·(8·64 + 16) + 8 + 65·8)·4 bytes.
  one.pass = Pass::kDecode;
  one.layers = 2;
  Case bare = one;
  bare.scope = Scope::kLayer;
  EXPECT_NEAR(limit_seconds(one, limits),
              2 * limit_seconds(bare, limits) + 1e-9 * 4 * (2 * (512 + 16) + 8 + 520), 1e-12);
}

TEST(LimitSeconds, InBfloat16IsOfItsOwnPeakAndHalfTheBytes) {
  MachineLimits limits;
  limits.peak_gflops = 1;
  limits.bfloat16_peak_gflops = 2;
  limits.bandwidth = {{1, 1e9}, {2, 1e9}};
  const Case one{
      .layer = {.model = "lstm", .kernel = "persistent", .width = 8, .factors = Factors::kBfloat16},
      .shape = {.batch = 1, .steps = 10}};
  // 512 FLOPs of a step = 256 ns, its weights 2·4·8·8 = 512 bytes = 512 ns.
  EXPECT_NEAR(limit_seconds(one, limits), 10 * (256e-9 + 512e-9), 1e-15);
  EXPECT_NEAR(limit_seconds_at(one, limits, 4), 10 * (128e-9 + 512e-9), 1e-15);
}

TEST(LimitSeconds, OfADecodeInBfloat16IsOfHalfTheBytes) {
  MachineLimits limits;
  limits.peak_gflops = limits.bfloat16_peak_gflops = 1e9;  // memory alone bounds
  limits.bandwidth = {{1, 1e9}, {2, 1e9}};
  for (const std::string model : {"lstm", "mingru", "attention"}) {
    Case one{.layer = {.model = model,
                       .kernel = model_info(model).default_kernel,
                       .width = 8,
                       .heads = 2},
             .pass = Pass::kDecode,
             .shape = {.batch = 1, .steps = 10}};
    const double plain = limit_seconds(one, limits);
    one.layer.factors = Factors::kBfloat16;
    EXPECT_NEAR(limit_seconds(one, limits), plain / 2, 1e-15) << model;
  }
}

TEST(LimitSeconds, OfThreadsReadASliceOfTheWeightsEach) {
  MachineLimits limits;
  limits.threads = 2;
  limits.peak_gflops = 1e6;  // no part of it
  limits.bandwidth = {{512, 2e9}, {1024, 1e9}};
  const Case one{.layer = {.model = "lstm", .kernel = "hoisted", .width = 8},
                 .shape = {.batch = 1, .steps = 10},
                 .threads = 2};
  // A step reads 512 bytes a thread at 2·10⁹ B/s = 256 ns; its two products take a few ps.
  EXPECT_NEAR(limit_seconds(one, limits), 10 * 256e-9, 1e-11);
}

TEST(LimitSeconds, OfDecodingReadAllWeightsAndTheState) {
  MachineLimits limits;
  limits.peak_gflops = 1e6;  // no part of it
  limits.bandwidth = {{1, 1e9}, {2, 1e9}};
  Case one{.layer = {.model = "lstm", .kernel = "hoisted", .width = 8},
           .pass = Pass::kDecode,
           .shape = {.batch = 1, .steps = 10}};
  EXPECT_NEAR(limit_seconds(one, limits), 2 * 1024e-9, 1e-15);
  one.layer = {.model = "attention", .kernel = "fused", .width = 8, .heads = 2};
  const LayerCost cost = one.cost();
  EXPECT_NEAR(limit_seconds(one, limits), 1e-9 * (cost.state_bytes + 4 * cost.parameters), 1e-15);
  limits.bandwidth = {{1, 1e18}, {2, 1e18}};
  EXPECT_NEAR(limit_seconds(one, limits), 1e-15 * cost.flops, 1e-21);
}

TEST(LimitSeconds, AtAnotherPeakKeepTheBandwidth) {
  MachineLimits limits;
  limits.peak_gflops = 1;
  limits.bandwidth = {{1, 1e9}, {2, 1e9}};
  const Case one{.layer = {.model = "lstm", .kernel = "hoisted", .width = 8},
                 .shape = {.batch = 1, .steps = 10}};
  EXPECT_NEAR(limit_seconds_at(one, limits, 2), 10 * (256e-9 + 1024e-9), 1e-15);
}

}  // namespace
}  // namespace seqbench
