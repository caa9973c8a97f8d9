#include "harness/commands/conform.h"

#include <algorithm>
#include <iostream>
#include <span>

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

/// Metadata that may state what the layer does anyway, under the names of PyTorch's arguments.
std::map<std::string, std::vector<std::string>> statements_about(const ModelInfo& model) {
  std::map<std::string, std::vector<std::string>> statements = {
      {"batch_first", {"true"}}, {"bias", {"true"}}, {"dropout", {"0", "0.0"}}};
  if (model.has_heads()) return statements;
  statements["bidirectional"] = {"false"};
  statements["num_layers"] = {"1"};
  if (model.name == "elman") statements["nonlinearity"] = {"tanh"};
  return statements;
}

/// Throws FileError for metadata that conform does not know or that states another layer.
void check_metadata(const TensorFile& file, const ModelInfo& model) {
  std::vector<std::string> known = {"model", "kernel", "threads"};
  if (model.has_heads()) known.insert(known.end(), {"heads", "causal"});
  if (!model.layer_variants.empty()) known.emplace_back("variant");
  known.emplace_back("torch");  // the version that golden files are from
  for (const auto& [key, allowed] : statements_about(model)) {
    if (file.metadata.contains(key)) file.metadata_name(key, allowed);
    known.push_back(key);
  }
  file.refuse_other_metadata(known);
}

/// Throws FileError for a tensor that is no input, parameter or result of the layer.
void check_tensors(const TensorFile& file, std::span<const Parameter<float>> parameters) {
  std::vector<std::string> names, known = {"x", "dy", "y", "dx"};
  for (const Parameter<float>& parameter : parameters) {
    names.push_back(parameter.name);
    known.insert(known.end(), {parameter.name, "d." + parameter.name});
  }
  file.refuse_other_tensors(known,
                            "x, dy, y, dx, and NAME and d.NAME of the parameters " + join(names));
}

/// The layer and its threads, for x [B, T, D] and a train pass with such factors.
Case requested_case(const TensorFile& file, const std::vector<Index>& x_shape, Factors factors) {
  const ModelInfo& model = model_info(file.metadata_name("model", model_names()));
  check_metadata(file, model);
  const bool rounds = factors == Factors::kBfloat16;
  LayerSpec layer{.model = model.name,
                  .kernel = rounds ? model.rounded_kernel : model.default_kernel,
                  .width = x_shape[2],
                  .factors = factors};
  if (file.metadata.contains("kernel")) {
    layer.kernel =
        file.metadata_name("kernel", rounds ? std::vector{model.rounded_kernel} : model.kernels);
  }
  if (model.has_heads()) {
    layer.heads = file.metadata_integer("heads", 1, kLargestInteger);
    if (layer.width % layer.heads != 0) {
      file.refuse_metadata("heads", "a divisor of the width " + std::to_string(layer.width));
    }
    layer.causal = file.metadata_name("causal", {"false", "true"}) == "true";
  }
  if (file.metadata.contains("variant") && !model.layer_variants.empty()) {
    layer.linear_candidate =
        file.metadata_name("variant", model.layer_variants) != model.layer_variants.front();
  }
  const Index threads =
      file.metadata.contains("threads") ? file.metadata_integer("threads", 1, kMostThreads) : 1;
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
  const std::vector<std::string>& variants = requested.model().layer_variants;
  if (!variants.empty()) metadata["variant"] = variants[requested.layer.linear_candidate ? 1 : 0];
  if (requested.model().has_heads()) {
    metadata["heads"] = std::to_string(requested.layer.heads);
    metadata["causal"] = requested.layer.causal ? "true" : "false";
  }
  return metadata;
}

}  // namespace

ConformResult run_conform(const TensorFile& file) {
  const std::vector<Index> any = {kAnySize, kAnySize, kAnySize};
  const bool has_x = file.entries.contains("x");
  const std::string dtype = has_x ? file.dtype_of("x", {"F32", "BF16"}) : "F32";
  const Tensor<float>& x = file.tensor("x", any, dtype);
  const Tensor<float>& dy = file.tensor("dy", x.shape(), dtype);
  const Case requested =
      requested_case(file, x.shape(), dtype == "BF16" ? Factors::kBfloat16 : Factors::kAsTheyAre);
  check_memory(requested, file.name);

  const auto layer = make_layer<float>(requested.layer);
  for (Parameter<float>& parameter : layer->parameters()) {
    const Tensor<float>& value = file.tensor(parameter.name, parameter.value.shape(), dtype);
    std::ranges::copy(value.values(), parameter.value.data());
  }
  check_tensors(file, layer->parameters());

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
      "(default: the fastest), variant of mingru (default or linear) and threads (default: 1). "
      "Tensors:\n"
      "x and dy [B,T,D], and the parameters under the names that PyTorch gives them, all F32, or "
      "all\n"
      "BF16: then factors of products are bfloat16 (docs/method.md). Results, F32 in either case, "
      "may be\n"
      "there too and are not read; anything else is refused, since it would mean another layer.",
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
