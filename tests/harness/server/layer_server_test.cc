#include "harness/server/layer_server.h"

#include <gtest/gtest.h>

namespace seqbench {
namespace {

using Json = nlohmann::ordered_json;

const Case kGru{.layer = {.model = "gru", .kernel = "hoisted", .width = 16},
                .shape = {.batch = 2, .steps = 9}};
const Case kAttention{
    .layer = {.model = "attention", .kernel = "fused", .width = 16, .heads = 2, .causal = true},
    .shape = {.batch = 2, .steps = 9}};
const MeasureOptions kOptions{.min_seconds = 1e-4, .memory_limit_bytes = 1e9};

Json ask(LayerServer& server, const std::string& what, const Case& one, bool again = false) {
  Json request = {{"do", what}, {"case", one.id()}};
  if (again) request["again"] = true;
  return server.answer(request.dump());
}

TEST(LayerServer, PreparesRepeatsAndReleasesItsCases) {
  LayerServer server({kGru, kAttention}, kOptions);
  EXPECT_EQ(server.answer(R"({"do":"list"})")["cases"], (Json{kGru.id(), kAttention.id()}));
  for (const Case& one : {kGru, kAttention}) {
    EXPECT_TRUE(ask(server, "repeat", one).contains("error"));
    const Json prepared = ask(server, "prepare", one);
    EXPECT_EQ(prepared["case"], one.id());
    EXPECT_EQ(prepared["status"], "ready") << prepared;
    EXPECT_FALSE(prepared.contains("reason"));
    EXPECT_EQ(prepared["cells"]["model"], one.layer.model);
    EXPECT_EQ(prepared["cells"]["seq_len"], "9");
    const Json sample = ask(server, "repeat", one);
    EXPECT_GE(sample["passes"], 1);
    EXPECT_GE(sample["passes"].get<double>() * sample["seconds"].get<double>(), 1e-4);
    EXPECT_GT(sample["limit_seconds"], 0);
    EXPECT_EQ(ask(server, "release", one)["case"], one.id());
    EXPECT_TRUE(ask(server, "repeat", one).contains("error"));
  }
}

TEST(LayerServer, HoldsBackAWrongResult) {
  // Later tokens are seen, although the case says causal.
  const LayerFactory wrong = [](LayerSpec spec) {
    spec.causal = false;
    return make_layer<float>(spec);
  };
  LayerServer server({kAttention}, kOptions, wrong);
  const Json reply = ask(server, "prepare", kAttention);
  EXPECT_EQ(reply["status"], "failed");
  EXPECT_NE(reply["reason"].get<std::string>().find("y"), std::string::npos) << reply;
  EXPECT_TRUE(reply.contains("cells"));
  EXPECT_TRUE(ask(server, "repeat", kAttention).contains("error"));
}

TEST(LayerServer, NeitherChecksNorProbesAgain) {
  int made = 0;
  const LayerFactory wrong = [&made](LayerSpec spec) {
    ++made;
    spec.causal = false;
    return make_layer<float>(spec);
  };
  LayerServer server({kAttention}, kOptions, wrong);
  EXPECT_EQ(ask(server, "prepare", kAttention, /*again=*/true)["status"], "ready");
  const Json sample = ask(server, "repeat", kAttention);
  EXPECT_GT(sample["seconds"], 0);
  EXPECT_TRUE(sample["limit_seconds"].is_null()) << sample;
  EXPECT_EQ(made, 1);
}

TEST(LayerServer, SkipsWhatDoesNotFit) {
  LayerServer server({kGru}, {.min_seconds = 1e-4, .memory_limit_bytes = 1});
  const Json reply = ask(server, "prepare", kGru);
  EXPECT_EQ(reply["status"], "skipped");
  EXPECT_NE(reply["reason"].get<std::string>().find("limit 1 B"), std::string::npos) << reply;
  EXPECT_TRUE(reply["peak_bytes"].is_null());
  EXPECT_TRUE(ask(server, "repeat", kGru).contains("error"));
}

}  // namespace
}  // namespace seqbench
