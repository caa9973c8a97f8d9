// What is timed: one layer, one pass, one shape, one number of threads; and the grid of the command
// line that such cases come from.
#pragma once

#include <string>
#include <vector>

#include "harness/base/command_line.h"
#include "harness/models/registry.h"

namespace seqbench {

struct Case {
  LayerSpec layer;
  Pass pass = Pass::kForward;
  SequenceShape shape;
  int threads = 1;

  /// Readable and unique in a run: "lstm:hoisted:train:B1:T512:D256:H-:t2".
  std::string id() const;
  bool is_attention() const { return !model_info(layer.model).is_recurrent(); }
  /// Tokens that one pass turns out: B·T, in decode B.
  double tokens() const;
  LayerCost cost() const { return declared_cost(layer, shape, pass, threads); }
  /// Resident memory of the layer with its parameters, workspace, input, output and gradients.
  double predicted_bytes() const;
};

/// Comparable cases: same pass and shape. The unit that is interleaved, finished and written.
struct CaseGroup {
  std::string label;  // "train B=1 T=512 D=256"
  std::vector<Case> cases;
};

const char* pass_name(Pass pass);

/// Declares --model, --kernel, --pass, --batch, --length, --width, --heads, --threads, --causal and
/// --max-tokens.
void add_grid_options(CommandLine& line, const std::string& default_lengths);

/// The values of those options.
struct Grid {
  std::vector<std::string> models;
  std::vector<std::string> kernels;  // empty: the fastest of each model
  std::vector<Pass> passes;
  std::vector<Index> batches, lengths, widths, heads, threads;
  bool causal = false;
  Index max_tokens = 0;  // largest batch × length; 0: no bound
};

/// Throws UsageError.
Grid parse_grid(const CommandLine& line);

/// All combinations, grouped, in the order of the options. A kernel applies to the models that
/// have it; a recurrent model ignores heads and causal. Throws UsageError when a number of heads
/// does not divide a width, or when --max-tokens leaves nothing.
std::vector<CaseGroup> expand(const Grid& grid);

}  // namespace seqbench
