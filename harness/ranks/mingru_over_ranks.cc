#include "harness/ranks/mingru_over_ranks.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <vector>

#include "core/bias.h"
#include "core/buffers.h"
#include "core/elementwise.h"
#include "core/gemm.h"
#include "harness/ranks/sequence_parallel_layer.h"
#include "rnn/mingru_scan.h"

namespace seqbench {
namespace {

constexpr Index G = kMinGruGates;

/// Workspace, as core/buffers.h says. T_r are the steps of this rank.
template <typename Buffer>
struct MinGruRankBuffers {
  Buffer gates;           // [B, T_r, 2·D] z and h̃, then da; none of the first rank's inference
  Buffer state_before;    // [B, D]
  Buffer state_after;     // [B, D]
  Buffer rest;            // [B, D] Π (1 − z)
  Buffer d_state;         // train [B, D] gradient of the state after the block
  Buffer dh;              // train [B, D] of the one before
  Buffer sums;            // train [B, 2·D] Σ_t da
  Buffer packed_weights;  // as this and the next in rnn/mingru_scan.h
  Buffer packed_bias;

  std::array<Buffer*, 9> buffers() {
    return {&gates, &state_before, &state_after,    &rest,       &d_state,
            &dh,    &sums,         &packed_weights, &packed_bias};
  }
};

template <typename T>
class MinGruOverRanks final : public SequenceParallelLayer<T, MinGruRankBuffers> {
 public:
  MinGruOverRanks(const LayerSpec& spec, Communicator& ranks)
      : SequenceParallelLayer<T, MinGruRankBuffers>(spec, ranks),
        candidate_(spec.linear_candidate ? Candidate::kLinear : Candidate::kPositive) {}

  void forward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y,
               [[maybe_unused]] Keep keep) override {
    assert(this->is_share(x));
    assert(keep == Keep::kNothing || trains_);
    if (place_.is_first()) {
      scan_forward<T>(team, product(x, y));
      if (place_.is_last()) return;
      copy(SequenceView<const T>(y).step(y.steps - 1), buffers_.state_after.matrix());
      return send(place_.next(), buffers_.state_after);
    }
    scan_summary<T>(team, {.pass = product(x, y),
                           .end = buffers_.state_after.matrix(),
                           .rest = buffers_.rest.matrix()});
    receive(place_.previous(), buffers_.state_before);
    if (!place_.is_last()) {
      add_rest_of(buffers_.state_before, buffers_.state_after);
      send(place_.next(), buffers_.state_after);
    }
    scan_forward<T>(
        team, ScanSharedForward<T>{
                  .shared = gates().tokens(), .h_start = buffers_.state_before.matrix(), .y = y});
  }

  void backward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<const T> y,
                SequenceView<const T> dy, SequenceView<T> dx) override {
    assert(trains_);
    if (!place_.is_first()) {
      scan_backward_summary<T>(team,
                               {.gates = gates().tokens(), .dy = dy, .dh = buffers_.dh.matrix()});
    }
    if (!place_.is_last()) receive(place_.next(), buffers_.d_state);
    if (!place_.is_first()) {
      if (!place_.is_last()) add_rest_of(buffers_.d_state, buffers_.dh);
      send(place_.previous(), buffers_.dh);
    }
    scan_backward<T>(
        team, {.candidate = candidate_,
               .gates = gates().tokens(),
               .h_start = start(),
               .y = y,
               .dy = dy,
               .da = gates(),
               .dh_end = place_.is_last() ? MatrixView<const T>() : buffers_.d_state.matrix(),
               .dh = buffers_.dh.matrix(),
               .sums = buffers_.sums.matrix()});
    assign_gradients(team, x.tokens(), dx.tokens());
    this->sum_gradients_of_ranks();
  }

 protected:
  MinGruRankBuffers<BufferShape> buffer_shapes(SequenceShape whole, Pass pass,
                                               int /*workers*/) const override {
    const Index B = whole.batch, D = width_, columns = UnitCut<T>{.width = D}.columns();
    const bool train = pass == Pass::kTrain;
    MinGruRankBuffers<BufferShape> buffers;
    if (train || !place_.is_first()) {
      buffers.gates = {B, block_of_steps(whole.steps, place_).count, G * D};
    }
    buffers.state_before = buffers.state_after = buffers.rest = {B, D};
    buffers.packed_weights = {D, G * columns};
    buffers.packed_bias = {G * columns};
    if (!train) return buffers;
    buffers.d_state = buffers.dh = {B, D};
    buffers.sums = {B, G * D};
    return buffers;
  }

 private:
  using Base = SequenceParallelLayer<T, MinGruRankBuffers>;
  using Base::buffers_, Base::parameters_, Base::place_, Base::ranks_, Base::trains_, Base::width_;

  enum { kWeight, kBias };  // in parameters_

  SequenceView<T> gates() {
    if (buffers_.gates.size() == 0) return {};
    return {buffers_.gates.data(), this->batch(), this->steps(), G * width_};
  }
  /// h_{−1}; empty: 0.
  MatrixView<const T> start() {
    return place_.is_first() ? MatrixView<const T>() : buffers_.state_before.matrix();
  }

  ScanForward<T> product(SequenceView<const T> x, SequenceView<T> y) {
    return {.candidate = candidate_,
            .weight = this->value(kWeight),
            .bias = parameters_[kBias].value.data(),
            .x = x,
            .y = y,
            .gates = gates(),
            .packed_weights = buffers_.packed_weights.data(),
            .packed_bias = buffers_.packed_bias.data()};
  }

  /// to [B, D] += rest ∘ from: a state past this rank's steps, or a gradient back past them.
  void add_rest_of(const Tensor<T>& from, Tensor<T>& to) const {
    for (Index i = 0; i < to.size(); ++i) to[i] += buffers_.rest[i] * from[i];
  }

  void send(int to, const Tensor<T>& state) { ranks_.send(to, std::as_bytes(state.values())); }
  void receive(int from, Tensor<T>& state) {
    ranks_.receive(from, std::as_writable_bytes(state.values()));
  }

  /// dx = da·W, dW = daᵀ·x, db = Σ da, of this rank's tokens.
  void assign_gradients(const ThreadTeam& team, MatrixView<const T> x, MatrixView<T> dx) {
    const MatrixView<const T> da = gates().tokens();
    Tensor<T>& dbias = parameters_[kBias].gradient;
    gemm(team, da, this->value(kWeight), dx);
    gemm(team, da, x, parameters_[kWeight].gradient.matrix(), {.transpose_a = true});
    std::ranges::fill(dbias.values(), T{0});
    add_column_sums(team, buffers_.sums.matrix(), dbias.data());
  }

  Candidate candidate_;
};

}  // namespace

std::string reason_against_mingru_over_ranks(const LayerSpec& spec, SequenceShape whole,
                                             int ranks) {
  if (spec.kernel != "scan") {
    return "mingru by strategy sequence has kernel scan alone, not " + spec.kernel;
  }
  if (spec.factors != Factors::kAsTheyAre) return "strategy sequence has dtype float32 alone";
  return reason_against_steps(whole.steps, ranks);
}

RankSends mingru_over_ranks_sends(const LayerSpec& spec, SequenceShape whole, Pass pass,
                                  const RankPlace& place, double element_bytes) {
  const double state = double(whole.batch) * double(spec.width) * element_bytes;
  const int times = (place.is_last() ? 0 : 1) + (pass == Pass::kTrain && !place.is_first() ? 1 : 0);
  return {.messages = double(times), .bytes = times * state};
}

template <typename T>
std::unique_ptr<RankLayer<T>> make_sequence_parallel_mingru(const LayerSpec& spec,
                                                            Communicator& ranks) {
  refuse_for(reason_against_mingru_over_ranks(spec, {.steps = ranks.size()}, ranks.size()));
  return std::make_unique<MinGruOverRanks<T>>(spec, ranks);
}

#define SEQBENCH_INSTANTIATE(T)                                                             \
  template std::unique_ptr<RankLayer<T>> make_sequence_parallel_mingru<T>(const LayerSpec&, \
                                                                          Communicator&);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
