// A linear map with its parameters (core/linear.h): y = x·Wᵀ + b, or without b.
#pragma once

#include <string>
#include <vector>

#include "core/gemm_options.h"
#include "core/parameter.h"
#include "core/random.h"
#include "core/thread_team.h"

namespace seqbench {

template <typename T>
struct LinearLayer {
  Parameter<T> weight, bias;              // W [O, I], b [O]; b empty without bias
  Factors factors = Factors::kAsTheyAre;  // of the products

  LinearLayer(const std::string& name, Index in, Index out, bool has_bias = true);
  static std::vector<ParameterShape> shapes(const std::string& name, Index in, Index out,
                                            bool has_bias = true);

  /// Both from U(±1/√I), as nn.Linear.
  void initialise(Random& random);
  void reserve_gradients(bool wanted);
  /// y [N, O] from x [N, I].
  void forward(const ThreadTeam& team, MatrixView<const T> x, MatrixView<T> y) const;
  /// Assigns dx [N, I] and the gradients.
  void backward(const ThreadTeam& team, MatrixView<const T> x, MatrixView<const T> dy,
                MatrixView<T> dx);
};

}  // namespace seqbench
