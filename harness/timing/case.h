// What is timed: one layer, one pass, one shape, one number of threads.
#pragma once

#include <string>
#include <vector>

#include "harness/models/registry.h"

namespace seqbench {

struct Case {
  LayerSpec layer;
  Pass pass = Pass::kForward;
  SequenceShape shape;
  int threads = 1;
  std::string start = "";  // of start_names(), which decides how many sweeps a kernel needs; "":
                           // the model's own

  /// Readable and unique in a run: "lstm:hoisted:train:B1:T512:D256:H-:t2", with another start
  /// "…:t2:chrono".
  std::string id() const;
  const ModelInfo& model() const { return model_info(layer.model); }
  /// Tokens that one pass turns out: B·T, in decode B.
  double tokens() const;
  LayerCost cost() const { return declared_cost(layer, shape, pass, threads); }
  /// Resident memory of the layer with its parameters, workspace, input, output and gradients; of a
  /// decode case with the output of its context.
  double predicted_bytes() const;
};

/// Comparable cases: same pass and shape. The unit that is interleaved, finished and written.
struct CaseGroup {
  std::string label;  // "train B=1 T=512 D=256"
  std::vector<Case> cases;
};

const char* pass_name(Pass pass);

}  // namespace seqbench
