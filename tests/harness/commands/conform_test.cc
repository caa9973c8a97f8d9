#include "harness/commands/conform.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>

#include "harness/base/errors.h"
#include "harness/base/interrupt.h"
#include "harness/models/registry.h"
#include "tests/harness/temporary_folder.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

/// A file that describes a layer of [B=2, T=3, D=4] with zero parameters.
TensorFile described(std::map<std::string, std::string> metadata) {
  TensorFile file{.name = "some.safetensors", .metadata = std::move(metadata), .entries = {}};
  const auto add = [&](const std::string& name, std::vector<Index> shape) {
    file.entries[name] = {"F32", shape, Tensor<float>(shape)};
  };
  for (const char* name : {"x", "dy"}) add(name, {2, 3, 4});
  if (file.metadata["model"] == "attention") {
    add("in_proj_weight", {12, 4});
    add("in_proj_bias", {12});
    add("out_proj.weight", {4, 4});
    add("out_proj.bias", {4});
  } else if (file.metadata["model"] == "mingru") {
    add("weight_ih_l0", {8, 4});
    add("bias_ih_l0", {8});
  } else {
    for (const char* name : {"weight_ih_l0", "weight_hh_l0"}) add(name, {16, 4});
    for (const char* name : {"bias_ih_l0", "bias_hh_l0"}) add(name, {16});
  }
  return file;
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const FileError& error) {
    return std::string("file: ") + error.what();
  } catch (const UsageError& error) {
    return std::string("usage: ") + error.what();
  }
  return "";
}

TEST(Conform, RunsTheFastestKernelUnlessTold) {
  EXPECT_EQ(run_conform(described({{"model", "lstm"}})).metadata.at("kernel"),
            model_info("lstm").default_kernel);
  EXPECT_EQ(
      run_conform(described({{"model", "lstm"}, {"kernel", "stepwise"}})).metadata.at("kernel"),
      "stepwise");
}

TEST(Conform, GivesOutputAndEveryGradientUnderItsName) {
  const auto result =
      run_conform(described({{"model", "attention"}, {"heads", "2"}, {"causal", "true"}}));
  std::vector<std::string> names;
  for (const auto& [name, tensor] : result.tensors) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"y", "dx", "d.in_proj_weight", "d.in_proj_bias",
                                             "d.out_proj.weight", "d.out_proj.bias"}));
  EXPECT_EQ(result.tensors[2].second.shape(), (std::vector<Index>{12, 4}));
}

TEST(Conform, WrongMetadataNamesKeyValueAndWhatIsAllowed) {
  const std::map<std::string, std::string> good = {
      {"model", "attention"}, {"heads", "2"}, {"causal", "false"}};
  ASSERT_EQ(error_of([&] { run_conform(described(good)); }), "");
  struct Wrong {
    std::string key, value, allowed;
  };
  const std::vector<Wrong> table = {
      {"model", "mamba", "one of elman, lstm, gru, mingru, attention"},
      {"kernel", "hoisted", "one of naive, fused"},
      {"kernel", "", "one of naive, fused"},
      {"heads", "0", "an integer from 1 to 2147483647"},
      {"heads", "-1", "an integer from 1 to 2147483647"},
      {"heads", "2x", "an integer from 1 to 2147483647"},
      {"heads", "18446744073709551616", "an integer from 1 to 2147483647"},
      {"heads", "3", "a divisor of the width 4"},
      {"causal", "True", "one of false, true"},
      {"threads", "0", "an integer from 1 to 4096"},
      {"threads", "1000000000", "an integer from 1 to 4096"},
  };
  for (const Wrong& wrong : table) {
    TensorFile file = described(good);
    file.metadata[wrong.key] = wrong.value;
    EXPECT_EQ(error_of([&] { run_conform(file); }), "file: some.safetensors: metadata \"" +
                                                        wrong.key + "\" is \"" + wrong.value +
                                                        "\"; allowed is " + wrong.allowed);
  }
  for (const std::string key : {"model", "heads", "causal"}) {
    TensorFile file = described(good);
    file.metadata.erase(key);
    EXPECT_EQ(error_of([&] { run_conform(file); }),
              "file: some.safetensors: __metadata__ lacks the key \"" + key + "\"");
  }
}

TEST(Conform, MinGruMayNameItsVariant) {
  const auto first_output = [](const std::map<std::string, std::string>& metadata) {
    const ConformResult result = run_conform(described(metadata));
    return std::pair(result.metadata.at("variant"), result.tensors[0].second[0]);
  };
  // z = σ(0) = ½, and h̃ = g(0) = ½ or 0.
  EXPECT_EQ(first_output({{"model", "mingru"}}), std::pair(std::string("default"), 0.25f));
  EXPECT_EQ(first_output({{"model", "mingru"}, {"variant", "default"}}),
            std::pair(std::string("default"), 0.25f));
  EXPECT_EQ(first_output({{"model", "mingru"}, {"variant", "linear"}}),
            std::pair(std::string("linear"), 0.0f));
  EXPECT_EQ(
      error_of([] {
        run_conform(described({{"model", "mingru"}, {"variant", "chrono"}}));
      }),
      "file: some.safetensors: metadata \"variant\" is \"chrono\"; allowed is one of default, "
      "linear");
  EXPECT_NE(error_of([] {
              run_conform(described({{"model", "lstm"}, {"variant", "default"}}));
            }).find("\"variant\" is not allowed"),
            std::string::npos);
}

TEST(Conform, WrongTensorsAreNamed) {
  const auto error_with = [](const std::string& name, std::vector<Index> shape) {
    TensorFile file = described({{"model", "lstm"}});
    file.entries[name] = {"F32", shape, Tensor<float>(shape)};
    return error_of([&] { run_conform(file); });
  };
  const std::string prefix = "file: some.safetensors: tensor ";
  EXPECT_EQ(error_with("x", {6, 4}), prefix + "\"x\" has shape [6, 4]; needed is [any, any, any]");
  EXPECT_EQ(error_with("x", {2, 0, 4}),
            prefix + "\"x\" has shape [2, 0, 4]; needed is [any, any, any]");
  EXPECT_EQ(error_with("dy", {2, 3, 5}),
            prefix + "\"dy\" has shape [2, 3, 5]; needed is [2, 3, 4]");
  EXPECT_EQ(error_with("bias_hh_l0", {12}),
            prefix + "\"bias_hh_l0\" has shape [12]; needed is [16]");
  TensorFile file = described({{"model", "lstm"}});
  file.entries.erase("weight_hh_l0");
  EXPECT_EQ(
      error_of([&] { run_conform(file); }),
      "file: some.safetensors: has no tensor \"weight_hh_l0\"; needed is one of shape [16, 4]");
}

using Metadata = std::map<std::string, std::string>;
const Metadata kLstm = {{"model", "lstm"}};
const Metadata kAttention = {{"model", "attention"}, {"heads", "1"}, {"causal", "false"}};

TEST(Conform, WhatWouldMeanAnotherLayerIsRefused) {
  const auto error_with = [](const Metadata& metadata, const std::string& tensor) {
    TensorFile file = described(metadata);
    file.entries[tensor] = {"F32", {4, 4}, Tensor<float>({4, 4})};
    return error_of([&] { run_conform(file); });
  };
  for (const std::string name :
       {"weight_ih_l1", "weight_ih_l0_reverse", "weight_hr_l0", "h_0", "d.weight_ih_l1", "X"}) {
    EXPECT_EQ(error_with(kLstm, name),
              "file: some.safetensors: tensor \"" + name +
                  "\" is not allowed; allowed are x, dy, y, dx, and NAME and d.NAME of the "
                  "parameters weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0");
  }
  for (const std::string name : {"bias_k", "bias_v", "q_proj_weight", "weight_ih_l0"}) {
    EXPECT_NE(error_with(kAttention, name).find("\"" + name + "\" is not allowed"),
              std::string::npos)
        << name;
  }
  for (const std::string name : {"y", "dx", "d.bias_hh_l0"}) EXPECT_EQ(error_with(kLstm, name), "");
}

TEST(Conform, MetadataMayStateWhatTheLayerDoesAndNothingElse) {
  const auto error_with = [](Metadata metadata, const std::string& key, const std::string& value) {
    metadata[key] = value;
    return error_of([&] { run_conform(described(metadata)); });
  };
  const std::string prefix = "file: some.safetensors: metadata ";
  struct Statement {
    std::string key, so, other, allowed;
  };
  for (const Statement& one : std::vector<Statement>{{"batch_first", "true", "false", "true"},
                                                     {"bias", "true", "false", "true"},
                                                     {"dropout", "0.0", "0.5", "one of 0, 0.0"},
                                                     {"bidirectional", "false", "true", "false"},
                                                     {"num_layers", "1", "2", "1"},
                                                     {"format", "pt", "tf", "pt"}}) {
    EXPECT_EQ(error_with(kLstm, one.key, one.so), "");
    EXPECT_EQ(error_with(kLstm, one.key, one.other),
              prefix + "\"" + one.key + "\" is \"" + one.other + "\"; allowed is " + one.allowed);
  }
  EXPECT_EQ(error_with({{"model", "elman"}}, "nonlinearity", "relu"),
            prefix + "\"nonlinearity\" is \"relu\"; allowed is tanh");
  EXPECT_EQ(error_with(kLstm, "torch", "2.15.0"), "");
  EXPECT_EQ(error_with(kAttention, "batch_first", "true"), "");
  EXPECT_EQ(error_with(kLstm, "heads", "1"),
            prefix +
                "\"heads\" is not allowed; allowed are model, kernel, threads, torch, "
                "batch_first, bias, bidirectional, dropout, num_layers");
  for (const auto& [metadata, key] :
       {std::pair(kLstm, "causal"), std::pair(kLstm, "nonlinearity"), std::pair(kLstm, "Model"),
        std::pair(kAttention, "num_layers"), std::pair(kAttention, "add_bias_kv")}) {
    EXPECT_NE(error_with(metadata, key, "true")
                  .find("metadata \"" + std::string(key) + "\" is not allowed"),
              std::string::npos)
        << key;
  }
}

TEST(Conform, ALayerBeyondTheMemoryIsRefusedBeforeItAllocates) {
  // 2^24 steps of one unit are 64 MiB of input, and 2^48 scores.
  TensorFile file =
      described({{"model", "attention"}, {"heads", "1"}, {"causal", "false"}, {"kernel", "naive"}});
  const std::vector<Index> shape = {1, Index{1} << 24, 1};
  for (const char* name : {"x", "dy"}) file.entries[name] = {"F32", shape, Tensor<float>(shape)};
  const std::string message = error_of([&] { run_conform(file); });
  EXPECT_NE(message.find("bytes of memory"), std::string::npos) << message;
}

using ConformCommand = FolderTest;

TEST_F(ConformCommand, WritesAResultOnceAndNeverOverIt) {
  const auto out = folder_ / "result.safetensors";
  const std::vector<std::string> arguments = {
      std::string(SEQBENCH_GOLDEN_DIR) + "/gru_B3_T7_D10.safetensors", "--out", out.string()};
  testing::internal::CaptureStdout();
  EXPECT_EQ(conform_command(arguments), 0);
  testing::internal::GetCapturedStdout();
  const TensorFile written = read_safetensors(out);
  EXPECT_EQ(written.required_metadata("model"), "gru");
  EXPECT_GT(max_abs(written.tensor("d.bias_hh_l0", {30}).values()), 0);
  EXPECT_EQ(
      error_of([&] { conform_command(arguments); }),
      "file: " + out.string() + ": exists already and is not written over; choose another name");
}

TEST_F(ConformCommand, LeavesNoResultWhenItIsTerminated) {
  const auto out = folder_ / "result.safetensors";
  const auto run_terminated = [&] {
    install_signal_handlers();
    std::raise(SIGTERM);
    try {
      conform_command(
          {std::string(SEQBENCH_GOLDEN_DIR) + "/gru_B1_T1_D1.safetensors", "--out", out.string()});
    } catch (const Interrupted& stop) {
      std::_Exit(128 + stop.signal);
    }
    std::_Exit(0);
  };
  EXPECT_EXIT(run_terminated(), testing::ExitedWithCode(143), "");
  EXPECT_FALSE(std::filesystem::exists(out));
}

TEST_F(ConformCommand, WrongUseIsAUsageError) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"a"},
                                             {"--out", "b"},
                                             {"a", "--out"},
                                             {"a", "--out", ""},
                                             {"a", "c", "--out", "b"},
                                             {"a", "--out", "b", "--kernel", "naive"},
                                             {"a", "--out", "b", "--", "x"}}) {
    EXPECT_TRUE(error_of([&] { conform_command(arguments); }).starts_with("usage: "))
        << testing::PrintToString(arguments);
  }
}

}  // namespace
}  // namespace seqbench
