#include "harness/tasks/model_form.h"

#include <string>

#include "harness/base/command_line.h"

namespace seqbench {

ModelForm gpt2_form(Index width, Index layers, Index heads) {
  return {.width = width,
          .layers = layers,
          .heads = heads,
          .residual = true,
          .mlp_expansion = 4,
          .mlp = MlpKind::kGelu,
          .as_gpt2 = true,
          .biases = false};
}

void check_heads(const CommandLine& line, const ModelForm& form) {
  if (form.width % form.heads == 0) return;
  if (line.given("heads")) {
    refuse_option("heads", line.text("heads"),
                  "a divisor of the width, " + std::to_string(form.width));
  }
  refuse_option("width", line.text("width"),
                "a multiple of attention's heads, " + std::to_string(form.heads));
}

}  // namespace seqbench
