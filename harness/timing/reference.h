// What a case's result must be, in double precision, before it may be timed.
//
// The whole reference of a large case would cost more than the case, so a sample is checked: some
// sequences, and of attention some query rows in each. A train case is run with an upstream
// gradient that is zero outside the sample. Then every gradient follows from the sampled rows
// alone. Those of all parameters are compared in full, dx in the sampled sequences: elsewhere it is
// zero, and not looked at.
//
// Of a case in bfloat16 the factors of products are rounded here too, its sums are double.
//
// minGRU's candidate bends at 0, where rounding alone decides between two gradients. Those that
// such an element reaches, one token's dx and one row of the parameters', are not compared.
//
// A block or a model is compared with the same in double precision, its layers by another kernel
// where a recurrent one has it: all of y, dx, losses or logits, and of all gradients. What bends
// would reach everywhere there: of minGRU's training y and losses alone are compared.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/eigen_view.h"
#include "harness/timing/case.h"
#include "harness/timing/workload.h"

namespace seqbench {

class Reference {
 public:
  /// Computes what a pass of `workload` must give for its parameters, its input and the sampled
  /// rows of its upstream gradient: a recurrent layer's on all usable CPUs, attention's on the
  /// calling thread. Serves all thread counts and all kernels with the same kernel_for() of the
  /// same model, heads, causal flag, start, factors, pass, shape and seed.
  explicit Reference(Workload& workload);

  /// Zeroes the upstream gradient of a train case outside the sampled rows.
  static void keep_sampled_gradient(Workload& workload);

  /// Compares what the last pass gave, run after keep_sampled_gradient(). Returns "" or what
  /// differs: tensor, difference, bound.
  std::string difference(Workload& workload) const;

  /// The kernel that computes a case's reference: the quickest in double precision, but not the
  /// case's own. Empty for a model whose formula is in reference.cc.
  static std::string kernel_for(const Case& one);

  /// Estimate of the memory that the constructor needs.
  static double predicted_bytes(const Case& one);

 private:
  struct Expected {
    std::string name;      // "y", "dx" or "d.NAME"
    Tensor<double> value;  // y: sampled rows only; dx: all rows of the sampled sequences
    std::vector<Index> undecided = {};  // rows, of a bias elements, that are not compared
  };

  void compute_attention(Workload& workload);
  void compute_recurrent(Workload& workload);
  void compute_whole(Workload& workload);
  void leave_undecided(const Tensor<double>& x, std::span<const Parameter<double>> parameters,
                       Factors factors);
  RowMajorMatrix<double> actual_of(const Expected& expected, Workload& workload) const;
  std::string compare(const Expected& expected, Workload& workload) const;

  std::vector<Index> sequences_;  // sampled b
  std::vector<Index> steps_;      // sampled t, in each of them
  std::vector<Expected> expected_;
};

}  // namespace seqbench
