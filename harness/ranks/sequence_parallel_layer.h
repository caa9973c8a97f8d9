// What the layers of strategy `sequence` have in common: the parameters of one rank's layer, a
// share of the steps, workspace of that size.
#pragma once

#include <cassert>
#include <span>
#include <vector>

#include "core/buffers.h"
#include "harness/models/registry.h"
#include "harness/ranks/communicator.h"
#include "harness/ranks/rank_layer.h"
#include "harness/ranks/rank_parameters.h"
#include "harness/ranks/sequence_shares.h"

namespace seqbench {

/// `Buffers<Buffer>` is workspace as core/buffers.h says.
template <typename T, template <typename> class Buffers>
class SequenceParallelLayer : public RankLayer<T> {
 public:
  SequenceParallelLayer(const LayerSpec& spec, Communicator& ranks)
      : ranks_(ranks),
        place_{ranks.rank(), ranks.size()},
        width_(spec.width),
        parameters_(parameters_of<T>(spec)) {}

  std::span<Parameter<T>> parameters() final { return parameters_; }

  double workspace_bytes(SequenceShape whole, Pass pass, int workers) const final {
    return parameter_workspace_bytes(parameters_, pass, place_.ranks) +
           allocated_bytes<T>(buffer_shapes(whole, pass, workers));
  }

  void reserve(SequenceShape whole, Pass pass, int workers) final {
    assert(pass != Pass::kDecode);
    trains_ = pass == Pass::kTrain;
    share_ = {.batch = {0, whole.batch}, .steps = steps_of(whole.steps, place_)};
    for (auto& parameter : parameters_) reserve_gradient(parameter, false);
    const Buffers<BufferShape> shapes = buffer_shapes(whole, pass, workers);
    allocate_buffers(shapes, buffers_);
    for (auto& parameter : parameters_) reserve_gradient(parameter, trains_);
    finish_reserve(whole, shapes);
  }

  RankShare share() const final { return share_; }

 protected:
  /// A rank's steps of T.
  virtual std::vector<Part> steps_of(Index steps, const RankPlace& place) const {
    return {block_of_steps(steps, place)};
  }
  /// What this rank takes for `whole` [B, T].
  virtual Buffers<BufferShape> buffer_shapes(SequenceShape whole, Pass pass, int workers) const = 0;
  /// What is left to do when all is allocated.
  virtual void finish_reserve(SequenceShape /*whole*/, const Buffers<BufferShape>& /*shapes*/) {}

  Index batch() const { return share_.batch.count; }    // B
  Index steps() const { return share_.shape().steps; }  // T_r of this rank
  bool is_share(SequenceView<const T> x) const {
    return x.batch == batch() && x.steps == steps() && x.width == width_;
  }
  MatrixView<const T> value(std::size_t p) const { return parameters_[p].value.matrix(); }
  void sum_gradients_of_ranks() { sum_gradients<T>(ranks_, parameters_); }

  Communicator& ranks_;
  RankPlace place_;
  Index width_;  // D
  std::vector<Parameter<T>> parameters_;
  Buffers<Tensor<T>> buffers_;
  bool trains_ = false;  // reserved for that

 private:
  RankShare share_;
};

}  // namespace seqbench
