#include "harness/models/registry.h"

#include <algorithm>
#include <stdexcept>

#include "attention/multi_head_attention.h"
#include "harness/tasks/tasks.h"
#include "rnn/elman.h"
#include "rnn/gru.h"
#include "rnn/lstm.h"
#include "rnn/mingru_layer.h"
#include "rnn/recurrent_layer.h"

namespace seqbench {
namespace {

// Kernels by name, in the order of the enumerations, slowest first; `newton` last, which is faster
// or slower as the weights are (rnn/newton_loop.h).
const std::vector<std::string> kRecurrentKernels = {"stepwise", "hoisted", "persistent", "newton"};
const std::vector<std::string> kMinGruKernels = {"stepwise", "scan"};
const std::vector<std::string> kAttentionKernels = {"naive", "fused"};

std::size_t position_of(const std::string& kernel, const ModelInfo& model) {
  const auto found = std::find(model.kernels.begin(), model.kernels.end(), kernel);
  if (found == model.kernels.end()) {
    throw std::invalid_argument("model " + model.name + " has no kernel '" + kernel + "'");
  }
  return static_cast<std::size_t>(found - model.kernels.begin());
}

RecurrentOptions recurrent_options(const LayerSpec& spec) {
  return {.width = spec.width,
          .kernel = RecurrentKernel(position_of(spec.kernel, model_info(spec.model))),
          .newton = spec.newton,
          .factors = spec.factors};
}

MinGruOptions mingru_options(const LayerSpec& spec) {
  return {.width = spec.width,
          .kernel = MinGruKernel(position_of(spec.kernel, model_info(spec.model))),
          .candidate = spec.linear_candidate ? Candidate::kLinear : Candidate::kPositive,
          .factors = spec.factors};
}

AttentionOptions attention_options(const LayerSpec& spec) {
  return {.width = spec.width,
          .heads = spec.heads,
          .causal = spec.causal,
          .kernel = AttentionKernel(position_of(spec.kernel, model_info(spec.model))),
          .rotary = spec.rotary,
          .uniform = spec.uniform,
          .window = spec.window,
          .ablation = spec.ablation,
          .frozen_seed = spec.frozen_seed,
          .watch = spec.watch,
          .dropout = spec.dropout,
          .biases = spec.biases,
          .factors = spec.factors};
}

/// Of a weight as it is read.
double factor_bytes(const LayerSpec& spec) {
  return spec.factors == Factors::kBfloat16 ? sizeof(float) / 2 : sizeof(float);
}

RooflineTerms recurrent_roofline(double gates, const LayerSpec& spec, SequenceShape shape,
                                 Pass pass) {
  const double B = double(shape.batch), T = double(shape.steps), D = double(spec.width);
  const double product = 2 * gates * B * D * D;  // FLOPs of one product for one step
  const double weights = factor_bytes(spec) * gates * D * D;
  // One sweep over all steps at once would do.
  if (spec.kernel == "newton" && pass != Pass::kDecode) {
    return {.bulk_flops = (pass == Pass::kTrain ? 3 : 1) * 2 * T * product};
  }
  switch (pass) {
    case Pass::kForward:
      return {.bulk_flops = T * product, .steps = T, .step_flops = product, .step_bytes = weights};
    case Pass::kTrain:
      return {.bulk_flops = 4 * T * product,
              .steps = 2 * T,
              .step_flops = product,
              .step_bytes = weights};
    case Pass::kDecode:
      return {.bulk_flops = 2 * product, .bulk_bytes = 2 * weights};
  }
  return {};
}

/// No step waits for a product.
RooflineTerms mingru_roofline(const LayerSpec& spec, SequenceShape shape, Pass pass) {
  const LayerCost cost = mingru_cost<float>(mingru_options(spec), shape, pass, 1);
  const double read = factor_bytes(spec) * cost.parameters;
  return {.bulk_flops = cost.flops, .bulk_bytes = pass == Pass::kDecode ? read : 0};
}

RooflineTerms attention_roofline(const LayerSpec& spec, SequenceShape shape, Pass pass) {
  const LayerCost cost = attention_cost<float>(attention_options(spec), shape, pass, 1);
  const double read = cost.state_bytes + factor_bytes(spec) * cost.parameters;
  return {.bulk_flops = cost.flops, .bulk_bytes = pass == Pass::kDecode ? read : 0};
}

/// A cell of the recurrent layer. Its variants by their names, the plain one first.
template <template <typename> class Cell>
ModelEntry recurrent_entry(const std::string& name, std::vector<std::string> variants) {
  return {
      .info = {.name = name,
               .kind = ModelKind::kRecurrent,
               .kernels = kRecurrentKernels,
               .default_kernel = "persistent",
               .watched_kernel = "",
               .reference_kernels = {"hoisted", "stepwise"},
               .rounded_kernel = "persistent",
               .variants = std::move(variants),
               .layer_variants = {},
               .bends = false,
               .takes_narrow_input = true},
      .make_float =
          [](const LayerSpec& s) { return make_recurrent<Cell, float>(recurrent_options(s)); },
      .make_double =
          [](const LayerSpec& s) { return make_recurrent<Cell, double>(recurrent_options(s)); },
      .cost =
          [](const LayerSpec& s, SequenceShape shape, Pass pass, int workers) {
            return cost_of_recurrent<Cell, float>(recurrent_options(s), shape, pass, workers);
          },
      .roofline = [](const LayerSpec& s, SequenceShape shape,
                     Pass pass) { return recurrent_roofline(Cell<float>::kGates, s, shape, pass); },
      .row_scratch =
          [](const LayerSpec& s, SequenceShape, RowCounts rows) {
            return row_scratch_of_recurrent<Cell>(recurrent_options(s), rows);
          },
      .form =
          [](const LayerSpec& s, SequenceShape shape, Pass pass, int workers) {
            return recurrent_form(recurrent_options(s), shape, pass, workers);
          }};
}

ModelEntry mingru_entry() {
  return {.info = {.name = "mingru",
                   .kind = ModelKind::kRecurrent,
                   .kernels = kMinGruKernels,
                   .default_kernel = "scan",
                   .watched_kernel = "",
                   .reference_kernels = {"scan", "stepwise"},
                   .rounded_kernel = "scan",
                   .variants = {"default", "linear", "chrono", "noanswer"},
                   .layer_variants = {"default", "linear"},
                   .bends = true,
                   .takes_narrow_input = true},
          .make_float = [](const LayerSpec& s) { return make_mingru<float>(mingru_options(s)); },
          .make_double = [](const LayerSpec& s) { return make_mingru<double>(mingru_options(s)); },
          .cost =
              [](const LayerSpec& s, SequenceShape shape, Pass pass, int workers) {
                return mingru_cost<float>(mingru_options(s), shape, pass, workers);
              },
          .roofline = mingru_roofline,
          .row_scratch = [](const LayerSpec& s, SequenceShape,
                            RowCounts rows) { return mingru_row_scratch(mingru_options(s), rows); },
          .form = [](const LayerSpec& s, SequenceShape shape, Pass pass,
                     int workers) { return mingru_form(mingru_options(s), shape, pass, workers); }};
}

ModelEntry attention_entry() {
  return {
      .info = {.name = "attention",
               .kind = ModelKind::kAttention,
               .kernels = kAttentionKernels,
               .default_kernel = "fused",
               .watched_kernel = "naive",
               .reference_kernels = {},
               .rounded_kernel = "fused",
               .variants = {"learned", "sinusoidal", "rotary", "nopos", "meanpool", "window8",
                            "noanswer"},
               .layer_variants = {},
               .bends = false,
               .takes_narrow_input = false},
      .make_float = [](const LayerSpec& s) { return make_attention<float>(attention_options(s)); },
      .make_double =
          [](const LayerSpec& s) { return make_attention<double>(attention_options(s)); },
      .cost =
          [](const LayerSpec& s, SequenceShape shape, Pass pass, int workers) {
            return attention_cost<float>(attention_options(s), shape, pass, workers);
          },
      .roofline = attention_roofline,
      .row_scratch =
          [](const LayerSpec& s, SequenceShape shape, RowCounts rows) {
            return attention_row_scratch(attention_options(s), shape, rows);
          },
      .form = [](const LayerSpec&, SequenceShape, Pass, int) { return std::string(); }};
}

/// This project's models and those of the program that it is part of. The one state of the process
/// besides the tasks' (tasks.cc): what the names on a command line mean.
struct Registry {
  std::vector<ModelEntry> entries = {
      recurrent_entry<Elman>("elman", {"default", "orthogonal", "noanswer"}),
      recurrent_entry<Lstm>("lstm", {"default", "forget1", "chrono", "noanswer"}),
      recurrent_entry<Gru>("gru", {"default", "forget1", "chrono", "noanswer"}),
      mingru_entry(),
      attention_entry(),
  };
  bool is_read = false;  // references into `entries` are out
};

Registry& registry() {
  static Registry all;
  return all;
}

const std::vector<ModelEntry>& entries() {
  registry().is_read = true;
  return registry().entries;
}

const ModelEntry& entry_of(std::string_view model) {
  for (const ModelEntry& entry : entries()) {
    if (entry.info.name == model) return entry;
  }
  throw std::invalid_argument("there is no model '" + std::string(model) + "'");
}

/// What is wrong with a model that is to be added; "" for nothing.
std::string fault_of(const ModelEntry& entry) {
  const ModelInfo& info = entry.info;
  const auto lacks = [](const std::vector<std::string>& names, const std::string& name) {
    return std::ranges::find(names, name) == names.end();
  };
  if (!is_plain_name(info.name)) return "its name is none of a-z, 0-9 and _";
  if (!std::ranges::none_of(registry().entries,
                            [&](const ModelEntry& other) { return other.info.name == info.name; }))
    return "there is one of that name";
  if (info.kind != ModelKind::kRecurrent) return "it is not recurrent";
  if (lacks(info.kernels, info.default_kernel)) return "its default kernel is none of its kernels";
  if (!info.watched_kernel.empty()) return "a recurrent model has no kernel that shows weights";
  if (!info.rounded_kernel.empty() && lacks(info.kernels, info.rounded_kernel))
    return "its rounded kernel is none of its kernels";
  if (info.reference_kernels.size() < 2)
    return "it has fewer than two reference kernels, and none is checked against itself";
  for (const std::string& kernel : info.reference_kernels) {
    if (lacks(info.kernels, kernel))
      return "reference kernel '" + kernel + "' is none of its kernels";
  }
  if (info.variants.empty()) return "it has no variant";
  for (const std::string& variant : info.layer_variants) {
    if (lacks(info.variants, variant))
      return "layer variant '" + variant + "' is none of its variants";
  }
  if (entry.make_float == nullptr || entry.make_double == nullptr)
    return "nothing makes its layers";
  if (entry.cost == nullptr || entry.roofline == nullptr) return "nothing tells its cost";
  return "";
}

}  // namespace

void register_model(ModelEntry entry, ModelOnTasks on_tasks) {
  const std::string fault = fault_of(entry);
  if (!fault.empty()) {
    throw std::invalid_argument("model '" + entry.info.name + "': " + fault);
  }
  if (registry().is_read) {
    throw std::logic_error("model '" + entry.info.name + "' comes late: models are in use");
  }
  if (entry.row_scratch == nullptr) {
    entry.row_scratch = [](const LayerSpec&, SequenceShape, RowCounts) { return 0.0; };
  }
  if (entry.form == nullptr) {
    entry.form = [](const LayerSpec&, SequenceShape, Pass, int) { return std::string(); };
  }
  put_on_tasks(entry.info.name, std::move(on_tasks));
  registry().entries.push_back(std::move(entry));
}

const std::vector<ModelInfo>& all_models() {
  static const std::vector<ModelInfo> models = [] {
    std::vector<ModelInfo> infos;
    for (const ModelEntry& entry : entries()) infos.push_back(entry.info);
    return infos;
  }();
  return models;
}

const ModelInfo& model_info(std::string_view name) { return entry_of(name).info; }

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const ModelInfo& model : all_models()) names.push_back(model.name);
  return names;
}

std::vector<std::string> model_names(ModelKind kind) {
  std::vector<std::string> names;
  for (const ModelInfo& model : all_models()) {
    if (model.kind == kind) names.push_back(model.name);
  }
  return names;
}

std::vector<std::string> kernel_names() {
  std::vector<std::string> names;
  for (const ModelInfo& model : all_models()) {
    for (const std::string& kernel : model.kernels) {
      if (std::ranges::find(names, kernel) == names.end()) names.push_back(kernel);
    }
  }
  return names;
}

template <>
std::unique_ptr<SequenceLayer<float>> make_layer(const LayerSpec& spec) {
  return entry_of(spec.model).make_float(spec);
}

template <>
std::unique_ptr<SequenceLayer<double>> make_layer(const LayerSpec& spec) {
  return entry_of(spec.model).make_double(spec);
}

LayerCost declared_cost(const LayerSpec& spec, SequenceShape shape, Pass pass, int workers) {
  return entry_of(spec.model).cost(spec, shape, pass, workers);
}

double declared_row_scratch(const LayerSpec& spec, SequenceShape shape, RowCounts rows) {
  return entry_of(spec.model).row_scratch(spec, shape, rows);
}

RooflineTerms roofline_terms(const LayerSpec& spec, SequenceShape shape, Pass pass) {
  return entry_of(spec.model).roofline(spec, shape, pass);
}

std::string kernel_form(const LayerSpec& spec, SequenceShape shape, Pass pass, int workers) {
  return entry_of(spec.model).form(spec, shape, pass, workers);
}

}  // namespace seqbench
