#include "harness/timing/grid.h"

#include <algorithm>
#include <iterator>
#include <span>

#include "harness/base/errors.h"
#include "harness/machine/placement.h"
#include "harness/models/registry.h"
#include "harness/models/variants.h"

namespace seqbench {
namespace {

constexpr Pass kPasses[] = {Pass::kForward, Pass::kTrain, Pass::kDecode};

constexpr Factors kDtypes[] = {Factors::kAsTheyAre, Factors::kBfloat16};

std::vector<std::string> dtype_names(std::span<const Factors> dtypes) {
  std::vector<std::string> names;
  for (const Factors factors : dtypes) names.emplace_back(dtype_name(factors));
  return names;
}

std::vector<std::string> pass_names() {
  std::vector<std::string> names;
  for (const Pass pass : kPasses) names.emplace_back(pass_name(pass));
  return names;
}

/// The requested kernels that this model has, or its default when it has none of them.
std::vector<std::string> kernels_of(const ModelInfo& model,
                                    const std::vector<std::string>& wanted) {
  std::vector<std::string> kernels;
  for (const std::string& kernel : model.kernels) {
    if (std::find(wanted.begin(), wanted.end(), kernel) != wanted.end()) kernels.push_back(kernel);
  }
  if (kernels.empty()) kernels.push_back(model.default_kernel);
  return kernels;
}

/// The requested starts that this model has, as a case names them, or its own when it has none of
/// them.
std::vector<std::string> starts_of(const ModelInfo& model, const std::vector<std::string>& wanted) {
  std::vector<std::string> starts;
  for (const std::string& start : wanted) {
    if (find_variant(model.name, start)) starts.push_back(start == "default" ? "" : start);
  }
  if (starts.empty()) starts.emplace_back();
  return starts;
}

std::string joined_numbers(const std::vector<Index>& values) {
  std::vector<std::string> texts;
  for (const Index value : values) texts.push_back(std::to_string(value));
  return join(texts, ",");
}

}  // namespace

void add_grid_options(CommandLine& line, const std::string& default_lengths) {
  line.option("model", "all", "comma list of " + join(model_names()) + ", or all");
  line.option("kernel", "",
              "comma list of kernels (see seqbench list), applied to the models that have them; "
              "default: the fastest of each model");
  line.option("variant", "default",
              "how recurrent layers start, comma list (" + join(start_names()) +
                  "), applied to the models that have it; chrono for memories of up to --length "
                  "steps. Decides how many sweeps --kernel newton needs");
  line.option("pass", "forward,train", "comma list of forward, train, decode");
  line.option("batch", "1", "sequences, comma list or doubling range");
  line.option("length", default_lengths,
              "tokens in a sequence, comma list or doubling range (128..8192)");
  line.option("width", "256", "width of input and output, comma list or doubling range");
  line.option("heads", "4", "attention heads, comma list; each must divide every width");
  line.option("threads", "", "threads, comma list (default: 1 and all CPUs)");
  line.option("dtype", "float32",
              "what factors of products are rounded to, comma list of float32, bfloat16 (kernels "
              "persistent, scan and fused)");
  line.flag("causal", "attention sees earlier tokens only");
  line.option("max-tokens", "", "leave out combinations with more than this batch × length");
}

void add_scope_options(CommandLine& line) {
  line.option(
      "block", "layer",
      "what of a model is timed, comma list: layer (bare), block (with norms, residuals and an "
      "MLP of four times the width), model (--layers of them with embedding, readout and loss)");
  line.option("layers", "2", "blocks of --block model");
  line.option(
      "match", "width",
      "comma list: width, or parameters, at which recurrent widths are such that each model "
      "has as many parameters as attention at --width");
}

namespace {

void parse_scopes(const CommandLine& line, Grid& grid) {
  grid.scopes.clear();
  const std::vector<std::string> scopes(std::begin(kScopeNames), std::end(kScopeNames));
  for (const std::string& name : line.names("block", scopes)) {
    grid.scopes.push_back(Scope(std::ranges::find(scopes, name) - scopes.begin()));
  }
  grid.layers = line.integer("layers", 1, 1000);
  if (line.given("layers") && std::ranges::find(grid.scopes, Scope::kModel) == grid.scopes.end()) {
    refuse_option("layers", line.text("layers"), "nothing without --block model");
  }
  grid.matched.clear();
  for (const std::string& name : line.names("match", {"width", "parameters"})) {
    grid.matched.push_back(name == "parameters");
  }
}

}  // namespace

Grid parse_grid(const CommandLine& line) {
  Grid grid;
  grid.models = line.names("model", model_names());
  if (line.given("kernel")) grid.kernels = line.names("kernel", kernel_names());
  grid.starts = line.names("variant", start_names());
  for (const std::string& name : line.names("pass", pass_names())) {
    for (const Pass pass : kPasses) {
      if (name == pass_name(pass)) grid.passes.push_back(pass);
    }
  }
  grid.batches = line.integers("batch");
  grid.lengths = line.integers("length");
  grid.widths = line.integers("width");
  grid.heads = line.integers("heads");
  grid.threads =
      line.given("threads") ? line.integers("threads", 1, kMostThreads) : default_thread_counts();
  grid.dtypes = parse_dtypes(line);
  grid.causal = line.flag_given("causal");
  if (line.given("max-tokens")) grid.max_tokens = line.integer("max-tokens");
  if (line.declares("block")) parse_scopes(line, grid);
  return grid;
}

std::vector<Factors> parse_dtypes(const CommandLine& line) {
  std::vector<Factors> dtypes;
  for (const std::string& name : line.names("dtype", dtype_names(kDtypes))) {
    for (const Factors factors : kDtypes) {
      if (name == dtype_name(factors)) dtypes.push_back(factors);
    }
  }
  return dtypes;
}

void refuse_other_dtypes(const CommandLine& line, const Grid& grid) {
  if (std::ranges::all_of(grid.dtypes, [](Factors f) { return f == Factors::kAsTheyAre; })) return;
  refuse_option("dtype", line.text("dtype"), "float32, which this command takes alone");
}

void add_missing_models(Grid& grid) {
  const auto has = [&grid](ModelKind kind) {
    return std::ranges::any_of(
        grid.models, [&](const std::string& name) { return model_info(name).kind == kind; });
  };
  if (!has(ModelKind::kAttention)) grid.models.emplace_back("attention");
  if (!has(ModelKind::kRecurrent)) grid.models.emplace_back("lstm");
}

std::vector<std::string> grid_words(const Grid& grid) {
  std::vector<std::string> passes;
  for (const Pass pass : grid.passes) passes.emplace_back(pass_name(pass));
  std::vector<std::string> words = {
      "--model=" + join(grid.models, ","),        "--pass=" + join(passes, ","),
      "--batch=" + joined_numbers(grid.batches),  "--length=" + joined_numbers(grid.lengths),
      "--width=" + joined_numbers(grid.widths),   "--heads=" + joined_numbers(grid.heads),
      "--threads=" + joined_numbers(grid.threads)};
  if (!grid.kernels.empty()) words.push_back("--kernel=" + join(grid.kernels, ","));
  if (!grid.starts.empty()) words.push_back("--variant=" + join(grid.starts, ","));
  if (grid.dtypes != std::vector<Factors>{Factors::kAsTheyAre}) {
    words.push_back("--dtype=" + join(dtype_names(grid.dtypes), ","));
  }
  if (grid.causal) words.emplace_back("--causal");
  if (grid.max_tokens > 0) words.push_back("--max-tokens=" + std::to_string(grid.max_tokens));
  std::vector<std::string> scopes, matches;
  for (const Scope scope : grid.scopes) scopes.emplace_back(kScopeNames[std::size_t(scope)]);
  for (const bool matched : grid.matched) matches.emplace_back(matched ? "parameters" : "width");
  // Of the defaults nothing is said, so that a command of bare layers alone understands.
  if (grid.scopes != Grid().scopes) words.push_back("--block=" + join(scopes, ","));
  if (std::ranges::find(grid.scopes, Scope::kModel) != grid.scopes.end()) {
    words.push_back("--layers=" + std::to_string(grid.layers));
  }
  if (grid.matched != Grid().matched) words.push_back("--match=" + join(matches, ","));
  return words;
}

namespace {

void check_heads(const Grid& grid) {
  const auto has_heads = [](const std::string& name) { return model_info(name).has_heads(); };
  if (std::ranges::none_of(grid.models, has_heads)) return;
  for (const Index width : grid.widths) {
    for (const Index heads : grid.heads) {
      if (width % heads == 0) continue;
      refuse_option("heads", std::to_string(heads),
                    "a divisor of --width " + joined_numbers(grid.widths));
    }
  }
}

bool has_dtype(const Case& one) {
  if (one.layer.factors == Factors::kAsTheyAre) return true;
  return one.scope == Scope::kLayer && one.layer.kernel == one.model().rounded_kernel;
}

/// All cases of one pass, shape, width, scope and rule of matching.
CaseGroup comparable_cases(const Grid& grid, const Case& common) {
  CaseGroup group;
  const Index width = common.layer.width;
  group.label = std::string(pass_name(common.pass)) + " B=" + std::to_string(common.shape.batch) +
                " T=" + std::to_string(common.shape.steps) + " D=" + std::to_string(width) +
                common.scope_label();
  for (const std::string& name : grid.models) {
    const ModelInfo& model = model_info(name);
    const std::vector<Index> heads = model.has_heads() ? grid.heads : std::vector<Index>{1};
    for (const std::string& kernel : kernels_of(model, grid.kernels)) {
      for (const Index h : heads) {
        for (const std::string& start : starts_of(model, grid.starts)) {
          Case one = common;
          one.layer = {.model = name,
                       .kernel = kernel,
                       .width = width,
                       .heads = h,
                       .causal = grid.causal && model.has_heads()};
          one.start = start;
          if (one.matched_width > 0 && !model.has_heads()) {
            one.layer.width = width_of_equal_parameters(one.scoped());
          }
          for (const Index threads : grid.threads) {
            one.threads = static_cast<int>(threads);
            for (const Factors factors : grid.dtypes) {
              one.layer.factors = factors;
              if (has_dtype(one)) group.cases.push_back(one);
            }
          }
        }
      }
    }
  }
  return group;
}

}  // namespace

std::vector<CaseGroup> expand(const Grid& grid) {
  check_heads(grid);
  std::vector<CaseGroup> groups;
  bool fits_any = false;
  Case common;
  common.layers = grid.layers;
  for (const Scope scope : grid.scopes) {
    common.scope = scope;
    for (const bool matched : grid.matched) {
      for (const Pass pass : grid.passes) {
        common.pass = pass;
        for (const Index width : grid.widths) {
          common.layer.width = width;
          common.matched_width = matched ? width : 0;
          for (const Index batch : grid.batches) {
            for (const Index length : grid.lengths) {
              const double tokens = double(batch) * double(length);
              if (grid.max_tokens > 0 && tokens > double(grid.max_tokens)) continue;
              common.shape = {.batch = batch, .steps = length};
              fits_any = true;
              CaseGroup group = comparable_cases(grid, common);
              if (!group.cases.empty()) groups.push_back(std::move(group));
            }
          }
        }
      }
    }
  }
  if (fits_any && groups.empty()) {
    throw UsageError("--dtype: '" + join(dtype_names(grid.dtypes), ",") +
                     "' leaves no case: bfloat16 has the kernels persistent, scan and fused, "
                     "--block layer");
  }
  if (groups.empty()) {
    throw UsageError("--max-tokens: '" + std::to_string(grid.max_tokens) +
                     "' leaves no combination of --batch and --length");
  }
  return groups;
}

std::vector<Case> expand_cases(const Grid& grid) {
  std::vector<Case> cases;
  for (const CaseGroup& group : expand(grid)) {
    cases.insert(cases.end(), group.cases.begin(), group.cases.end());
  }
  return cases;
}

}  // namespace seqbench
