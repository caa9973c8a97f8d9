#include "harness/timing/case.h"

#include <gtest/gtest.h>

namespace seqbench {
namespace {

TEST(CaseId, IsReadable) {
  const Case lstm{.layer = {.model = "lstm", .kernel = "hoisted", .width = 256},
                  .pass = Pass::kTrain,
                  .shape = {.batch = 1, .steps = 512},
                  .threads = 2};
  EXPECT_EQ(lstm.id(), "lstm:hoisted:train:B1:T512:D256:H-:t2");
  const Case attention{
      .layer = {.model = "attention", .kernel = "fused", .heads = 4, .causal = true},
      .pass = Pass::kForward,
      .shape = {.batch = 16, .steps = 64}};
  EXPECT_EQ(attention.id(), "attention:fused:forward:B16:T64:D256:H4:causal:t1");
  Case started = lstm;
  started.start = "chrono";
  EXPECT_EQ(started.id(), lstm.id() + ":chrono");
  started.scope = Scope::kBlock;
  EXPECT_EQ(started.id(), lstm.id() + ":chrono:block");
  Case model = lstm;
  model.scope = Scope::kModel;
  model.layers = 3;
  model.matched_width = 128;
  EXPECT_EQ(model.id(), lstm.id() + ":model3:parameters128");
  started.layer.factors = Factors::kBfloat16;
  EXPECT_EQ(started.id(), lstm.id() + ":chrono:block:bfloat16");
  started.ranks = 4;
  started.strategy = "sequence";
  EXPECT_EQ(started.id(), lstm.id() + ":chrono:block:bfloat16:ranks4:sequence");
}

TEST(Case, CountsTokensByThePass) {
  Case one{.layer = {.model = "gru", .kernel = "hoisted"}, .shape = {.batch = 3, .steps = 7}};
  EXPECT_EQ(one.tokens(), 21);
  one.pass = Pass::kDecode;
  EXPECT_EQ(one.tokens(), 3);
}

TEST(Case, DeclaresTheConventionalWork) {
  const double B = 2, T = 32, D = 16;
  Case one{.layer = {.model = "lstm", .kernel = "hoisted", .width = 16},
           .shape = {.batch = 2, .steps = 32}};
  EXPECT_EQ(one.cost().flops, 16 * B * T * D * D);
  one.layer = {.model = "gru", .kernel = "stepwise", .width = 16};
  EXPECT_EQ(one.cost().flops, 12 * B * T * D * D);
  one.layer = {.model = "elman", .kernel = "hoisted", .width = 16};
  one.pass = Pass::kTrain;
  EXPECT_EQ(one.cost().flops, 3 * 4 * B * T * D * D);
  one.layer = {.model = "attention", .kernel = "fused", .width = 16, .heads = 2};
  EXPECT_EQ(one.cost().flops, 3 * (8 * B * T * D * D + 4 * B * T * T * D));
  one.layer.causal = true;
  one.pass = Pass::kForward;
  EXPECT_EQ(one.cost().flops, 8 * B * T * D * D + 2 * B * T * (T + 1) * D);
}

TEST(Case, PredictsTheNaiveScoreMatrixWithoutAllocatingIt) {
  const Case one{.layer = {.model = "attention", .kernel = "naive", .heads = 4},
                 .shape = {.batch = 1, .steps = 131072}};
  const double T = 131072;
  EXPECT_GE(one.predicted_bytes(), 4 * T * T * 4);
  EXPECT_LE(one.predicted_bytes(), 1.1 * 4 * T * T * 4);
}

}  // namespace
}  // namespace seqbench
