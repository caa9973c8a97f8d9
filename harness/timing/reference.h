// What a case's result must be, in double precision, before it may be timed.
//
// The whole reference of a large case would cost more than the case, so a sample is checked: some
// query rows of attention, some sequences of a recurrent layer. A train case is run with an
// upstream gradient that is zero outside the sample. Then *every* gradient, of all inputs and
// parameters, follows from the sampled rows alone and is compared in full.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/timing/case.h"
#include "harness/timing/workload.h"

namespace seqbench {

class Reference {
 public:
  /// Computes on all usable CPUs what a pass of `workload` must give for its parameters, its input
  /// and the sampled rows of its upstream gradient. Serves all thread counts and all kernels with
  /// the same kernel_for() of the same model, heads, causal flag, pass, shape and seed.
  explicit Reference(Workload& workload);

  /// Zeroes the upstream gradient of a train case outside the sampled rows.
  static void keep_sampled_gradient(Workload& workload);

  /// Compares what the last pass gave, run after keep_sampled_gradient(). Returns "" or what
  /// differs: tensor, difference, bound.
  std::string difference(Workload& workload) const;

  /// The kernel that computes a case's reference: the quickest in double precision, but not the
  /// case's own. Empty for a model whose formula is in reference.cc.
  static std::string kernel_for(const Case& one);

  /// Memory that the constructor needs at most.
  static double predicted_bytes(const Case& one);

 private:
  struct Expected {
    std::string name;      // "y", "dx" or "d.NAME"
    Tensor<double> value;  // y and dx: rows of the sampled sequences only
  };

  void compute_attention(Workload& workload);
  void compute_recurrent(Workload& workload);
  std::string compare(const Expected& expected, Workload& workload) const;

  std::vector<Index> sequences_;  // sampled b
  std::vector<Index> steps_;      // sampled t, in each of them
  std::vector<Expected> expected_;
};

}  // namespace seqbench
