// A block or a model (timing/scope.h) ready to run.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/sequence_layer.h"
#include "harness/timing/case.h"

namespace seqbench {

/// A block or a model with all that its case's pass needs.
template <typename T>
class Whole {
 public:
  struct Result {
    std::string name;  // "y", "dx", "losses", "logits"
    std::vector<double> values;
  };

  virtual ~Whole() = default;
  /// PyTorch's start or the case's; a model's, GPT-2's.
  virtual void initialise(Random& random) = 0;
  virtual std::vector<Parameter<T>*> parameters() = 0;
  virtual std::vector<SequenceLayer<T>*> layers() = 0;
  /// The case's pass, once. The first of a decode case reads the context.
  virtual void run(const ThreadTeam& team) = 0;
  /// What the last pass gave beside the parameters' gradients.
  virtual std::vector<Result> results() = 0;
};

/// For a case that is no bare layer: with zero parameters; input and upstream gradient are drawn
/// from `seed`, the same for every kernel, number of threads and T. Throws std::bad_alloc.
template <typename T>
std::unique_ptr<Whole<T>> make_whole(const Case& one, std::uint64_t seed);

}  // namespace seqbench
