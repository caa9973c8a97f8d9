#include "harness/commands/conform.h"

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "harness/base/command_line.h"
#include "harness/base/durable_file.h"
#include "harness/base/errors.h"
#include "harness/base/interrupt.h"
#include "harness/machine/memory.h"
#include "harness/machine/placement.h"
#include "harness/models/registry.h"
#include "harness/timing/case.h"

namespace seqbench {
namespace {

/// The metadata of a file as checked values.
class Settings {
 public:
  explicit Settings(const TensorFile& file) : file_(file) {}

  bool has(const std::string& key) const { return file_.metadata.contains(key); }

  std::string name(const std::string& key, const std::vector<std::string>& allowed) const {
    const std::string& value = file_.required_metadata(key);
    if (std::ranges::find(allowed, value) == allowed.end()) {
      refuse(key, "one of " + join(allowed));
    }
    return value;
  }

  Index integer(const std::string& key, Index high) const {
    if (const auto value = integer_within(file_.required_metadata(key), 1, high)) return *value;
    refuse(key, "an integer from 1 to " + std::to_string(high));
  }

  [[noreturn]] void refuse(const std::string& key, const std::string& allowed) const {
    const std::string value = nlohmann::json(file_.metadata.at(key)).dump(-1, ' ', true);
    throw FileError(file_.name + ": metadata \"" + key + "\" is " + value + "; allowed is " +
                    allowed);
  }

 private:
  const TensorFile& file_;
};

/// The layer and its threads, for x [B, T, D] and a train pass.
Case requested_case(const TensorFile& file, const std::vector<Index>& x_shape) {
  const Settings settings(file);
  const ModelInfo& model = model_info(settings.name("model", model_names()));
  LayerSpec layer{.model = model.name, .kernel = model.default_kernel, .width = x_shape[2]};
  if (settings.has("kernel")) layer.kernel = settings.name("kernel", model.kernels);
  if (model.has_heads()) {
    layer.heads = settings.integer("heads", kLargestInteger);
    if (layer.width % layer.heads != 0) {
      settings.refuse("heads", "a divisor of the width " + std::to_string(layer.width));
    }
    layer.causal = settings.name("causal", {"false", "true"}) == "true";
  }
  const Index threads = settings.has("threads") ? settings.integer("threads", kMostThreads) : 1;
  return {.layer = layer,
          .pass = Pass::kTrain,
          .shape = {.batch = x_shape[0], .steps = x_shape[1]},
          .threads = static_cast<int>(threads)};
}

void check_memory(const Case& requested, const std::string& file) {
  const double needed = requested.predicted_bytes();
  const double limit = usable_memory_bytes();
  if (needed > limit) {
    throw FileError(file + ": " + requested.id() + " needs " + std::to_string(Index(needed)) +
                    " bytes of memory; " + std::to_string(Index(limit)) + " may be used");
  }
}

std::map<std::string, std::string> describe(const Case& requested) {
  std::map<std::string, std::string> metadata = {{"model", requested.layer.model},
                                                 {"kernel", requested.layer.kernel},
                                                 {"threads", std::to_string(requested.threads)}};
  if (requested.model().has_heads()) {
    metadata["heads"] = std::to_string(requested.layer.heads);
    metadata["causal"] = requested.layer.causal ? "true" : "false";
  }
  return metadata;
}

}  // namespace

ConformResult run_conform(const TensorFile& file) {
  const Tensor<float>& x = file.tensor("x", {kAnySize, kAnySize, kAnySize});
  const Tensor<float>& dy = file.tensor("dy", x.shape());
  const Case requested = requested_case(file, x.shape());
  check_memory(requested, file.name);

  const auto layer = make_layer<float>(requested.layer);
  for (Parameter<float>& parameter : layer->parameters()) {
    const Tensor<float>& value = file.tensor(parameter.name, parameter.value.shape());
    std::ranges::copy(value.values(), parameter.value.data());
  }

  const ThreadTeam team = make_team(requested.threads);
  Tensor<float> y(x.shape()), dx(x.shape());
  layer->reserve(requested.shape, Pass::kTrain, team.size());
  stop_if_interrupted();
  layer->forward(team, x.sequence(), y.sequence(), Keep::kForBackward);
  stop_if_interrupted();
  layer->backward(team, x.sequence(), std::as_const(y).sequence(), dy.sequence(), dx.sequence());

  ConformResult result{.metadata = describe(requested), .tensors = {}};
  result.tensors.emplace_back("y", std::move(y));
  result.tensors.emplace_back("dx", std::move(dx));
  for (Parameter<float>& parameter : layer->parameters()) {
    result.tensors.emplace_back("d." + parameter.name, std::move(parameter.gradient));
  }
  return result;
}

int conform_command(const std::vector<std::string>& arguments) {
  CommandLine line(
      "conform", "FILE.safetensors --out RESULT.safetensors",
      "Runs one layer on the tensors of FILE, forward and backward, and writes y, dx and d.NAME "
      "for\n"
      "each parameter to RESULT.\n\n"
      "__metadata__ of FILE: model; heads and causal (true or false) of attention; optional "
      "kernel\n"
      "(default: the fastest) and threads (default: 1). Tensors, all F32: x and dy [B,T,D], and "
      "the\n"
      "parameters under the names that PyTorch gives them.",
      "  seqbench conform lstm.safetensors --out lstm-result.safetensors\n"
      "  seqbench conform tests/golden/gru_B3_T7_D10.safetensors --out /tmp/gru.safetensors\n");
  line.positional("file", "the layer's parameters and input");
  line.option("out", "", "result file; must not exist yet");
  if (!line.parse(arguments)) return 0;
  for (const std::string option : {"file", "out"}) {
    if (line.text(option).empty()) {
      throw UsageError("conform needs FILE.safetensors --out RESULT.safetensors; " +
                       std::string(option == "out" ? "--out" : "FILE") + " is missing");
    }
  }
  line.refuse_passed_on();

  const std::string out = line.text("out");
  refuse_existing(out);  // before any work
  const ConformResult result = run_conform(read_safetensors(line.text("file")));
  std::vector<NamedTensor> tensors;
  for (const auto& [name, values] : result.tensors) tensors.push_back({name, &values});
  stop_if_interrupted();
  write_safetensors(out, result.metadata, tensors);
  std::cout << out << ": y, dx and " << result.tensors.size() - 2 << " gradients of "
            << result.metadata.at("model") << " (kernel " << result.metadata.at("kernel") << ")\n";
  return 0;
}

}  // namespace seqbench
