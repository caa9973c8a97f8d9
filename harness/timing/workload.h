// One case ready to run: the layer, block or model with its parameters and tensors. What is timed
// is run().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "harness/timing/case.h"
#include "harness/timing/whole.h"

namespace seqbench {

/// What makes a case's layer: seqbench's registry, or that of another library (scripts/peer_runs).
using LayerFactory = std::function<std::unique_ptr<SequenceLayer<float>>(const LayerSpec&)>;

class Workload {
 public:
  /// Draws parameters (initialise_as()), x and dy (draw_normal()) from `seed`, the same for every
  /// kernel and number of threads; allocates all that run() needs, but for the first run of a
  /// decode case, with teams of as many as the case's threads, or `workers` where those are more.
  /// Throws std::bad_alloc.
  Workload(const Case& one, std::uint64_t seed, const LayerFactory& make = make_layer<float>,
           int workers = 0);

  /// The case's pass, once. Allocates nothing, but for the first run of a decode case: that one
  /// reads the context first, into an output that it allocates and drops, and can throw
  /// std::bad_alloc. In decode a recurrent state goes on from run to run.
  void run(const ThreadTeam& team);

  /// Draws the upstream gradient of a train case anew, as it was at first.
  void draw_upstream_gradient();

  const Case& the_case() const { return case_; }
  std::uint64_t seed() const { return seed_; }
  /// The bare layer, with the tensors below. Of a block or a model there is whole() instead.
  SequenceLayer<float>& layer() { return *layer_; }
  Whole<float>& whole() { return *whole_; }
  /// Of all layers, of the last pass.
  SweepCounts sweep_counts() const;
  /// Context of a decode case, input of the others: [B, T, D].
  SequenceView<const float> x() const { return x_.sequence(); }
  /// Output of the last run: [B, T, D]; of a decode case [B, 1, D], the one token.
  SequenceView<const float> y() const { return y_.sequence(); }
  /// Upstream gradient [B, T, D] of a train case; writable, so that a check can choose its rows.
  SequenceView<float> dy() { return dy_.sequence(); }
  SequenceView<const float> dx() const { return dx_.sequence(); }
  /// The token that a decode case appends: [B, D].
  MatrixView<const float> next_token() const { return next_token_.matrix(); }

 private:
  void run_decode(const ThreadTeam& team);

  Case case_;
  std::uint64_t seed_;
  std::unique_ptr<SequenceLayer<float>> layer_;  // null: whole_ is there
  std::unique_ptr<Whole<float>> whole_;
  Tensor<float> x_, y_, dy_, dx_;
  Tensor<float> next_token_;
  bool context_is_read_ = false;
};

}  // namespace seqbench
