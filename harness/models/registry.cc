#include "harness/models/registry.h"

#include <algorithm>
#include <stdexcept>

#include "attention/multi_head_attention.h"
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
          .candidate = spec.linear_candidate ? Candidate::kLinear : Candidate::kPositive};
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

RooflineTerms recurrent_roofline(double gates, const LayerSpec& spec, SequenceShape shape,
                                 Pass pass) {
  const double B = double(shape.batch), T = double(shape.steps), D = double(spec.width);
  const double product = 2 * gates * B * D * D;  // FLOPs of one product for one step
  const double bytes = spec.factors == Factors::kBfloat16 ? sizeof(float) / 2 : sizeof(float);
  const double weights = bytes * gates * D * D;
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
  const double read = sizeof(float) * cost.parameters;
  return {.bulk_flops = cost.flops, .bulk_bytes = pass == Pass::kDecode ? read : 0};
}

RooflineTerms attention_roofline(const LayerSpec& spec, SequenceShape shape, Pass pass) {
  const LayerCost cost = attention_cost<float>(attention_options(spec), shape, pass, 1);
  const double read = cost.state_bytes + sizeof(float) * cost.parameters;
  return {.bulk_flops = cost.flops, .bulk_bytes = pass == Pass::kDecode ? read : 0};
}

/// A model: what it is called and has, how to make one, and what it costs.
struct Entry {
  ModelInfo info;
  std::unique_ptr<SequenceLayer<float>> (*make_float)(const LayerSpec&);
  std::unique_ptr<SequenceLayer<double>> (*make_double)(const LayerSpec&);
  LayerCost (*cost)(const LayerSpec&, SequenceShape, Pass, int workers);
  RooflineTerms (*roofline)(const LayerSpec&, SequenceShape, Pass);
  double (*row_scratch)(const LayerSpec&, SequenceShape, RowCounts);
  std::string (*form)(const LayerSpec&, SequenceShape, Pass, int workers);
};

/// A cell of the recurrent layer. Its variants by their names, the plain one first.
template <template <typename> class Cell>
Entry recurrent_entry(const std::string& name, std::vector<std::string> variants) {
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

Entry mingru_entry() {
  return {.info = {.name = "mingru",
                   .kind = ModelKind::kRecurrent,
                   .kernels = kMinGruKernels,
                   .default_kernel = "scan",
                   .watched_kernel = "",
                   .reference_kernels = {"scan", "stepwise"},
                   .rounded_kernel = "",
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

Entry attention_entry() {
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

const std::vector<Entry>& entries() {
  static const std::vector<Entry> table = {
      recurrent_entry<Elman>("elman", {"default", "orthogonal", "noanswer"}),
      recurrent_entry<Lstm>("lstm", {"default", "forget1", "chrono", "noanswer"}),
      recurrent_entry<Gru>("gru", {"default", "forget1", "chrono", "noanswer"}),
      mingru_entry(),
      attention_entry(),
  };
  return table;
}

const Entry& entry_of(std::string_view model) {
  for (const Entry& entry : entries()) {
    if (entry.info.name == model) return entry;
  }
  throw std::invalid_argument("there is no model '" + std::string(model) + "'");
}

}  // namespace

const std::vector<ModelInfo>& all_models() {
  static const std::vector<ModelInfo> models = [] {
    std::vector<ModelInfo> infos;
    for (const Entry& entry : entries()) infos.push_back(entry.info);
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
