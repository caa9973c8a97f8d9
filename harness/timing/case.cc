#include "harness/timing/case.h"

namespace seqbench {

const char* pass_name(Pass pass) {
  switch (pass) {
    case Pass::kForward:
      return "forward";
    case Pass::kTrain:
      return "train";
    case Pass::kDecode:
      return "decode";
  }
  return "";
}

const char* dtype_name(Factors factors) {
  return factors == Factors::kBfloat16 ? "bfloat16" : "float32";
}

std::string dtype_suffix(Factors factors, char mark) {
  return factors == Factors::kAsTheyAre ? "" : std::string(1, mark) + dtype_name(factors);
}

std::string Case::id() const {
  return layer.model + ":" + layer.kernel + ":" + pass_name(pass) + ":B" +
         std::to_string(shape.batch) + ":T" + std::to_string(shape.steps) + ":D" +
         std::to_string(layer.width) + ":H" +
         (model().has_heads() ? std::to_string(layer.heads) + (layer.causal ? ":causal" : "")
                              : "-") +
         ":t" + std::to_string(threads) + (start.empty() ? "" : ":" + start) +
         (scope == Scope::kLayer ? "" : std::string(":") + kScopeNames[std::size_t(scope)]) +
         (scope == Scope::kModel ? std::to_string(layers) : "") +
         (matched_width == 0 ? "" : ":parameters" + std::to_string(matched_width)) +
         dtype_suffix(layer.factors, ':') +
         (ranks == 0 ? "" : ":ranks" + std::to_string(ranks) + ":" + strategy);
}

std::string Case::scope_label() const {
  return (scope == Scope::kLayer ? "" : std::string(" ") + kScopeNames[std::size_t(scope)]) +
         (matched_width == 0 ? "" : " of equal parameters");
}

double Case::tokens() const {
  return double(shape.batch) * (pass == Pass::kDecode ? 1.0 : double(shape.steps));
}

double Case::predicted_bytes() const {
  const LayerCost declared = cost();
  if (scope != Scope::kLayer) {
    return declared.workspace_bytes + double(sizeof(float)) * declared.parameters;
  }
  const double sequence = double(shape.batch) * double(shape.steps) * double(layer.width);
  const double one_token = double(shape.batch) * double(layer.width);
  double scalars = declared.parameters + 2 * sequence;  // x, y
  if (pass == Pass::kTrain) scalars += 2 * sequence;    // dy, dx
  if (pass == Pass::kDecode) scalars += 2 * one_token;  // the token in and out
  return declared.workspace_bytes + double(sizeof(float)) * scalars;
}

}  // namespace seqbench
