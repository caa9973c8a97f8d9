// The parameters of a layer that several ranks compute together: the same on each of them.
#pragma once

#include <algorithm>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/buffers.h"
#include "core/parameter.h"
#include "core/sequence_layer.h"
#include "harness/models/registry.h"
#include "harness/ranks/communicator.h"

namespace seqbench {

/// Those of the layer that one rank would have, in its order; all 0, without gradients.
template <typename T>
std::vector<Parameter<T>> parameters_of(const LayerSpec& spec) {
  const auto layer = make_layer<T>(spec);
  std::vector<Parameter<T>> parameters;
  for (Parameter<T>& parameter : layer->parameters()) parameters.push_back(std::move(parameter));
  return parameters;
}

/// What Communicator::sum() holds for their gradients: as much as the largest of them.
template <typename T>
double summing_bytes(std::span<const Parameter<T>> parameters, Pass pass, int ranks) {
  if (pass != Pass::kTrain || ranks == 1) return 0;
  Index largest = 0;
  for (const Parameter<T>& parameter : parameters) {
    largest = std::max(largest, parameter.value.size());
  }
  return double(largest) * sizeof(T);
}

/// What a pass takes for them: the gradients, and their sums.
template <typename T>
double parameter_workspace_bytes(const std::vector<Parameter<T>>& parameters, Pass pass,
                                 int ranks) {
  if (pass != Pass::kTrain) return 0;
  double bytes = summing_bytes<T>(parameters, pass, ranks);
  for (const Parameter<T>& parameter : parameters) {
    bytes += allocated_bytes<T>(parameter.value.shape());
  }
  return bytes;
}

/// Throws std::invalid_argument for a reason that is not empty.
inline void refuse_for(const std::string& reason) {
  if (!reason.empty()) throw std::invalid_argument(reason);
}

/// Every gradient becomes its sum over the ranks.
template <typename T>
void sum_gradients(Communicator& ranks, std::span<Parameter<T>> parameters) {
  if (ranks.size() == 1) return;
  for (Parameter<T>& parameter : parameters) {
    if (parameter.gradient.size() > 0) ranks.sum(parameter.gradient.values());
  }
}

}  // namespace seqbench
