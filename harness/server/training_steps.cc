#include "harness/server/training_steps.h"

#include <algorithm>
#include <utility>

#include "harness/base/units.h"
#include "harness/files/csv.h"
#include "harness/models/registry.h"
#include "harness/timing/throughput_rows.h"
#include "harness/timing/time_estimate.h"

namespace seqbench {

using Json = nlohmann::ordered_json;

namespace {

// Those of steps.csv that follow from samples.
const std::vector<std::string> kMeasuredColumns = {
    "rounds",           "seconds",     "seconds_low", "seconds_high",
    "steps_per_second", "peak_gflops", "status",      "reason"};

}  // namespace

std::string StepDescription::id() const {
  return task + ":" + model + ":seqbench:B" + std::to_string(batch) + ":T" +
         std::to_string(length) + ":D" + std::to_string(form.width) + ":t" +
         std::to_string(threads);
}

Json StepDescription::cells() const {
  const auto text = [](Index number) { return std::to_string(number); };
  const bool has_heads = model_info(model).has_heads();
  return {{"task", task},
          {"model", model},
          {"variant", variant},
          {"batch", text(batch)},
          {"seq_len", text(length)},
          {"width", text(form.width)},
          {"layers", text(form.layers)},
          {"heads", has_heads ? text(form.heads) : ""},
          {"threads", text(threads)}};
}

std::string training_file_of(const Json& request) {
  const Json file = request.value("file", Json());
  if (!file.is_string() || file == "") refuse_field("file", file, "the path of a file to write");
  return file.get<std::string>();
}

Json skipped_steps(const std::string& id, double needed_bytes, double limit_bytes,
                   const Json& cells) {
  return {{"case", id},
          {"status", "skipped"},
          {"reason", "needs " + human_bytes(needed_bytes) + ", limit " + human_bytes(limit_bytes)},
          {"cells", cells}};
}

std::vector<Tensor<float>> copied_parameters(SequenceModel<float>& model) {
  std::vector<Tensor<float>> copies;
  for (const Parameter<float>* parameter : model.parameters()) {
    copies.emplace_back(parameter->value.shape());
    std::ranges::copy(parameter->value.values(), copies.back().data());
  }
  return copies;
}

void write_training_file(const std::filesystem::path& path,
                         const std::map<std::string, std::string>& metadata,
                         std::vector<NamedTensor> tensors, SequenceModel<float>& model,
                         const std::vector<Tensor<float>>& parameters) {
  for (std::size_t k = 0; k < parameters.size(); ++k) {
    tensors.push_back({model.parameter_names()[k], &parameters[k]});
  }
  write_safetensors(path, metadata, tensors);
}

Json judged_steps(const JudgeRequest& request, Index threads) {
  CsvRow cells = timed_cells(request.samples, int(threads), request.terms);
  cells["rounds"] = static_cast<Index>(request.samples.size());
  cells["steps_per_second"] = 1 / estimate_seconds(request.samples).seconds;
  return texts_of(cells, kMeasuredColumns);
}

}  // namespace seqbench
