// The memory of a recurrent layer: one list of shapes from which parameters and workspace are both
// allocated and declared, so that the two cannot differ.
#pragma once

#include <numeric>
#include <string>
#include <vector>

#include "core/sequence_layer.h"
#include "rnn/recurrent_layer.h"

namespace seqbench {

/// Workspace. G gates and K kept vectors of D elements as rnn/cell.h defines them; S is T where all
/// steps are needed at once, else 1.
template <typename T>
struct RecurrentBuffers {
  Tensor<T> h;      // [B, D] h_{t−1}, then h_t: contiguous, where a step of y has rows T·D apart
  Tensor<T> zeros;  // [B, D] h_{−1} and kept_{−1}
  Tensor<T> gates;  // [B, S, G·D] W_ih·x, then activated gates, then da
  Tensor<T> u;      // [B, G·D] W_hh·h_{t−1} of the current step, then du
  Tensor<T> kept;   // [B, S, K·D]
  Tensor<T> dh;     // [B, D] gradient of h that comes from the step after
  Tensor<T> dkept;  // [B, D] the same of the second state
};

template <typename T>
struct BufferShape {
  Tensor<T> RecurrentBuffers<T>::*buffer;
  std::vector<Index> shape;
};

/// Every buffer that a pass uses, with its shape.
template <typename T, template <typename> class Cell>
std::vector<BufferShape<T>> buffer_shapes(const RecurrentOptions& options, SequenceShape shape,
                                          Pass pass) {
  using Buffers = RecurrentBuffers<T>;
  using C = Cell<T>;
  const Index B = shape.batch, T_ = shape.steps, D = options.width;
  const bool train = pass == Pass::kTrain;
  const bool hoists = pass != Pass::kDecode && options.kernel == RecurrentKernel::kHoisted;
  std::vector<BufferShape<T>> shapes{
      {&Buffers::h, {B, D}},
      {&Buffers::zeros, {B, D}},
      {&Buffers::gates, {B, train || hoists ? T_ : 1, C::kGates * D}},
      {&Buffers::u, {B, C::kGates * D}},
  };
  if (C::kKept > 0) shapes.push_back({&Buffers::kept, {B, train ? T_ : 1, C::kKept * D}});
  if (train) shapes.push_back({&Buffers::dh, {B, D}});
  if (train && C::kCarriesKept) shapes.push_back({&Buffers::dkept, {B, D}});
  return shapes;
}

struct ParameterShape {
  std::string name;
  std::vector<Index> shape;
};

/// PyTorch's names and order.
inline std::vector<ParameterShape> recurrent_parameters(Index gates, Index width) {
  const Index GD = gates * width;
  return {{"weight_ih_l0", {GD, width}},
          {"weight_hh_l0", {GD, width}},
          {"bias_ih_l0", {GD}},
          {"bias_hh_l0", {GD}}};
}

/// Number of elements as a double, which a shape too large for the machine does not overflow.
inline double element_count(const std::vector<Index>& shape) {
  return std::accumulate(shape.begin(), shape.end(), 1.0,
                         [](double product, Index extent) { return product * double(extent); });
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
  }
  cost.state_bytes = (C::kCarriesKept ? 2 : 1) * B * D * sizeof(T);
  if (pass == Pass::kTrain) cost.workspace_bytes = cost.parameters * sizeof(T);  // gradients
  for (const auto& buffer : buffer_shapes<T, Cell>(options, shape, pass)) {
    cost.workspace_bytes += element_count(buffer.shape) * sizeof(T);
  }
  return cost;
}

}  // namespace seqbench
