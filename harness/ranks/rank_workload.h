// One rank's part of a case: its layer with parameters and its tokens of the tensors that one
// process would have (harness/timing/workload.h). What is timed is run().
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "harness/ranks/rank_layer.h"
#include "harness/ranks/traced_communicator.h"
#include "harness/timing/case.h"

namespace seqbench {

class RankWorkload {
 public:
  /// Of a case with ranks.size() ranks, forward or train: makes the layer, with parameters as
  /// Workload draws them from `seed`, and allocates nothing else. `ranks` outlives it. Throws
  /// std::bad_alloc.
  RankWorkload(const Case& one, std::uint64_t seed, Communicator& ranks);

  /// Of parameters, workspace and the rank's tensors.
  double predicted_bytes() const;
  /// Allocates all that run() needs and draws this rank's share of Workload's x and dy. Throws
  /// std::bad_alloc.
  void allocate();
  /// Draws that share of dy anew, as it was at first.
  void draw_upstream_gradient();

  /// The case's pass, once; all ranks call it.
  void run(const ThreadTeam& team);
  /// Waits until all ranks have called it; counted among the messages.
  void meet() { ranks_.barrier(); }
  /// The halves of run(), of a train case both.
  void forward(const ThreadTeam& team);
  void backward(const ThreadTeam& team);

  /// A pass of this rank alone, with its meeting behind it; after one of all.
  RankTrace trace(const ThreadTeam& team);
  /// What messages took since it was called last.
  Traffic take_traffic() { return ranks_.take_traffic(); }

  const Case& the_case() const { return case_; }
  RankShare share() const { return layer_->share(); }
  RankLayer<float>& layer() { return *layer_; }
  Tensor<float>& x() { return x_; }  // all four: B, T of the share, D; the last two of a train
  Tensor<float>& y() { return y_; }  // case
  Tensor<float>& dy() { return dy_; }
  Tensor<float>& dx() { return dx_; }

 private:
  void draw_share(std::uint64_t stream, Tensor<float>& tensor) const;

  Case case_;
  std::uint64_t seed_;
  TracedCommunicator ranks_;
  std::unique_ptr<RankLayer<float>> layer_;
  Tensor<float> x_, y_, dy_, dx_;
};

/// The rank's tokens of a tensor [B, T, D] to `own`, and back.
void take_share(SequenceView<const float> whole, const RankShare& share, std::span<float> own);
void put_share(std::span<const float> own, const RankShare& share, SequenceView<float> whole);

}  // namespace seqbench
