// The grid of the command line that cases come from.
#pragma once

#include <string>
#include <vector>

#include "harness/base/command_line.h"
#include "harness/timing/case.h"

namespace seqbench {

/// Declares --model, --kernel, --variant, --pass, --batch, --length, --width, --heads, --threads,
/// --dtype, --causal and --max-tokens.
void add_grid_options(CommandLine& line, const std::string& default_lengths);

/// Declares --block, --layers and --match, where a command takes more than bare layers.
void add_scope_options(CommandLine& line);

/// The values of those options.
struct Grid {
  std::vector<std::string> models;
  std::vector<std::string> kernels;  // empty: the default of each model
  std::vector<std::string> starts;   // of start_names(); empty: each model's own
  std::vector<Pass> passes;
  std::vector<Index> batches, lengths, widths, heads, threads;
  std::vector<Factors> dtypes = {Factors::kAsTheyAre};
  bool causal = false;
  Index max_tokens = 0;  // largest batch × length; 0: no bound
  std::vector<Scope> scopes = {Scope::kLayer};
  Index layers = 2;  // blocks of a model
  std::vector<bool> matched = {
      false};  // whether recurrent widths are such that parameters are equal
};

/// Of bare layers where the second were not declared. Throws UsageError.
Grid parse_grid(const CommandLine& line);

/// Adds what a comparison of both kinds of models needs: attention, and a recurrent baseline
/// (lstm), where there is none.
void add_missing_models(Grid& grid);

/// The number formats of --dtype. Throws UsageError.
std::vector<Factors> parse_dtypes(const CommandLine& line);

/// Refuses --dtype with another value than float32, for commands that take that alone.
/// Throws UsageError.
void refuse_other_dtypes(const CommandLine& line, const Grid& grid);

/// The options that parse to this grid, for another process of this program.
std::vector<std::string> grid_words(const Grid& grid);

/// All combinations, grouped, in the order of the options. A kernel applies to the models that
/// have it, and so does a start; bfloat16 applies to bare layers by each model's kernel that has
/// it; a model without heads ignores heads and causal. Throws UsageError when a number of heads
/// does not divide a width, when --max-tokens or --dtype leaves nothing, or when no width comes
/// near enough to the parameters that are to be matched.
std::vector<CaseGroup> expand(const Grid& grid);

/// The cases of all groups, one after the other.
std::vector<Case> expand_cases(const Grid& grid);

}  // namespace seqbench
