// What is timed: one layer, one pass, one shape, one number of threads.
#pragma once

#include <string>
#include <vector>

#include "harness/models/registry.h"
#include "harness/timing/scope.h"

namespace seqbench {

struct Case {
  LayerSpec layer;
  Pass pass = Pass::kForward;
  SequenceShape shape;
  int threads = 1;
  std::string start = "";  // of start_names(), which decides how many sweeps a kernel needs; "":
                           // the model's own
  Scope scope = Scope::kLayer;
  Index layers = 2;         // blocks of a model
  Index matched_width = 0;  // of the attention whose number of parameters it has; 0: of none
  int ranks = 0;            // that compute it together, with `threads` each; 0: this process alone
  std::string strategy = "";  // how they share it out (ranks/rank_layer.h)

  /// Readable and unique in a run: "lstm:hoisted:train:B1:T512:D256:H-:t2", with another start
  /// "…:t2:chrono", a block or a model of two "…:t2:block" and "…:t2:model2", with as many
  /// parameters as attention of width 256 "…:t2:parameters256",
  /// with factors in bfloat16 "…:bfloat16", over ranks "…:ranks4:sequence" behind it all.
  std::string id() const;
  /// " block of equal parameters": what tells it from a bare layer of equal width; else "".
  std::string scope_label() const;
  const ModelInfo& model() const { return model_info(layer.model); }
  /// Tokens that one pass turns out: B·T, in decode B.
  double tokens() const;
  ScopedSpec scoped() const { return {layer, start, scope, layers}; }
  LayerCost cost() const { return declared_cost(scoped(), shape, pass, threads); }
  /// Resident memory of the layer with its parameters, workspace, input, output and gradients; of a
  /// decode case with the output of its context. In one process, whatever the ranks.
  double predicted_bytes() const;
};

/// Comparable cases: same pass and shape. The unit that is interleaved, finished and written.
struct CaseGroup {
  std::string label;  // "train B=1 T=512 D=256"
  std::vector<Case> cases;
};

const char* pass_name(Pass pass);

/// What a user calls the number format of a case, that of its products' factors: "float32",
/// "bfloat16".
const char* dtype_name(Factors factors);

/// What a name ends in that tells it where it is not float32: the mark and the format's name.
std::string dtype_suffix(Factors factors, char mark);

}  // namespace seqbench
