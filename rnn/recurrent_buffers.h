// The memory of a recurrent layer: one list of shapes from which parameters and workspace are both
// allocated and declared.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "core/buffers.h"
#include "core/sequence_layer.h"
#include "rnn/recurrent_layer.h"

namespace seqbench {

/// Workspace, as core/buffers.h says. G gates and K kept vectors of D elements as rnn/cell.h
/// defines them; S is T where all steps are needed at once, else 1.
template <typename Buffer>
struct RecurrentBuffers {
  Buffer h;      // [B, D] h_{t−1}, then h_t: contiguous, where a step of y has rows T·D apart
  Buffer zeros;  // [B, D] h_{−1} and kept_{−1}
  Buffer gates;  // [B, S, G·D] W_ih·x, then activated gates, then da
  Buffer u;      // [B, G·D] W_hh·h_{t−1} of the current step, then du
  Buffer kept;   // [B, S, K·D]
  Buffer dh;     // [B, D] train: gradient of h that comes from the step after
  Buffer dkept;  // [B, D] train: the same of the second state

  std::array<Buffer*, 7> buffers() { return {&h, &zeros, &gates, &u, &kept, &dh, &dkept}; }
};

/// What a pass uses of them. C is a cell of rnn/cell.h.
template <typename C>
RecurrentBuffers<BufferShape> recurrent_workspace(const RecurrentOptions& options,
                                                  SequenceShape shape, Pass pass) {
  const Index B = shape.batch, T = shape.steps, D = options.width;
  const bool train = pass == Pass::kTrain;
  const bool hoists = pass != Pass::kDecode && options.kernel == RecurrentKernel::kHoisted;
  RecurrentBuffers<BufferShape> workspace;
  workspace.h = workspace.zeros = {B, D};
  workspace.gates = {B, train || hoists ? T : 1, C::kGates * D};
  workspace.u = {B, C::kGates * D};
  if (C::kKept > 0) workspace.kept = {B, train ? T : 1, C::kKept * D};
  if (train) workspace.dh = {B, D};
  if (train && C::kCarriesKept) workspace.dkept = {B, D};
  return workspace;
}

struct ParameterShape {
  std::string name;
  BufferShape shape;
};

/// PyTorch's names and order.
inline std::vector<ParameterShape> recurrent_parameters(Index gates, Index width) {
  const Index GD = gates * width;
  return {{"weight_ih_l0", {GD, width}},
          {"weight_hh_l0", {GD, width}},
          {"bias_ih_l0", {GD}},
          {"bias_hh_l0", {GD}}};
}

/// flops: 4·G·B·T·D², thrice for training; for decode one token of each sequence.
template <typename T, template <typename> class Cell>
LayerCost recurrent_cost(const RecurrentOptions& options, SequenceShape shape, Pass pass) {
  using C = Cell<T>;
  const double B = double(shape.batch), D = double(options.width);
  const double tokens = pass == Pass::kDecode ? B : B * double(shape.steps);
  LayerCost cost;
  cost.flops = (pass == Pass::kTrain ? 3 : 1) * 4 * double(C::kGates) * tokens * D * D;
  for (const auto& parameter : recurrent_parameters(C::kGates, options.width)) {
    cost.parameters += element_count(parameter.shape);
    // Its gradient.
    if (pass == Pass::kTrain) cost.workspace_bytes += allocated_bytes<T>(parameter.shape);
  }
  cost.state_bytes = (C::kCarriesKept ? 2 : 1) * B * D * sizeof(T);
  cost.workspace_bytes += allocated_bytes<T>(recurrent_workspace<C>(options, shape, pass));
  return cost;
}

}  // namespace seqbench
