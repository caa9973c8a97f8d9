// `seqbench conform`: one layer on the tensors of a .safetensors file, forward and backward, so
// that any user can check it against another implementation.
//
// __metadata__   model; heads and causal ("true" or "false") of attention; kernel (the fastest
//                unless given); threads (1 unless given)
// tensors        x and dy [B, T, D], every parameter under PyTorch's name: F32, or all BF16, whose
//                layer takes factors in bfloat16
// result         y, dx, and d.NAME for each parameter, F32; as metadata what ran
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/tensor.h"
#include "harness/files/safetensors.h"

namespace seqbench {

struct ConformResult {
  std::map<std::string, std::string> metadata;                 // the layer that ran
  std::vector<std::pair<std::string, Tensor<float>>> tensors;  // y, dx, d.NAME in PyTorch's order
};

/// Runs the layer that `file` describes; tensors it does not need are ignored. Throws FileError
/// when a metadata value or a tensor is missing or wrong, or the layer does not fit into memory;
/// Interrupted.
ConformResult run_conform(const TensorFile& file);

/// The command. Throws UsageError, and FileError also when the result file exists already;
/// Interrupted, and then there is no result file.
int conform_command(const std::vector<std::string>& arguments);

}  // namespace seqbench
