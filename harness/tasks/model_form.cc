#include "harness/tasks/model_form.h"

#include <string>

#include "harness/base/command_line.h"

namespace seqbench {

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
