// A small case of a model's default kernel, of any scope.
#pragma once

#include <string>

#include "harness/timing/case.h"

namespace seqbench {

inline Case case_of(const std::string& model, Scope scope, Pass pass, SequenceShape shape) {
  return {.layer = {.model = model,
                    .kernel = model_info(model).default_kernel,
                    .width = 24,
                    .heads = 3},
          .pass = pass,
          .shape = shape,
          .scope = scope};
}

}  // namespace seqbench
