#include "harness/ranks/recurrent_pipeline.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <stdexcept>
#include <vector>

#include "core/buffers.h"
#include "core/elementwise.h"
#include "core/gemm.h"
#include "harness/ranks/sequence_parallel_layer.h"
#include "rnn/elman.h"
#include "rnn/gru.h"
#include "rnn/lstm.h"
#include "rnn/persistent_loop.h"
#include "rnn/recurrent_gradients.h"

namespace seqbench {
namespace {

/// Workspace, as core/buffers.h says. T_r steps of this rank, n sequences of the largest group; G
/// gates, K kept and S carried vectors of D elements as rnn/cell.h defines them.
template <typename Buffer>
struct PipelineBuffers {
  Buffer gates;         // [B, T_r, G·D] W_ih·x + b_ih, then activated gates, then da
  Buffer kept;          // [B, T_r or 1, K·D]
  Buffer state_before;  // [B, S·D] 0 on the first rank
  Buffer state_after;   // [B, S·D]
  Buffer d_state;  // train [B, S·D] gradient of the state after the block, then of the one before
  Buffer packed_weights;  // this and the following as rnn/persistent_loop.h says, for a group
  Buffer packed_bias;
  Buffer h;
  Buffer u;
  Buffer du;

  std::array<Buffer*, 10> buffers() {
    return {&gates, &kept, &state_before, &state_after, &d_state, &packed_weights, &packed_bias, &h,
            &u,     &du};
  }
};

template <template <typename> class Cell, typename T>
class RecurrentPipeline final : public SequenceParallelLayer<T, PipelineBuffers> {
 public:
  using SequenceParallelLayer<T, PipelineBuffers>::SequenceParallelLayer;

  void forward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y,
               [[maybe_unused]] Keep keep) override {
    assert(this->is_share(x));
    assert(keep == Keep::kNothing || trains_);
    gemm(team, x.tokens(), value(kWeightIh), buffers_.gates.matrix(), {.transpose_b = true},
         parameters_[kBiasIh].value.data());
    const EvenParts groups = sequence_groups();
    for (Index i = 0; i < groups.count(); ++i) {
      const Part group = groups[i];
      if (!place_.is_first()) receive(place_.previous(), buffers_.state_before, group);
      PersistentLoop<C>::forward(team, forward_of(group, y));
      keep_end(group, y);
      if (!place_.is_last()) send(place_.next(), buffers_.state_after, group);
    }
  }

  void backward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<const T> y,
                SequenceView<const T> dy, SequenceView<T> dx) override {
    assert(trains_);
    const EvenParts groups = sequence_groups();
    for (Index i = 0; i < groups.count(); ++i) {
      const Part group = groups[i];
      if (place_.is_last()) {
        set_zero(states(buffers_.d_state, group));
      } else {
        receive(place_.next(), buffers_.d_state, group);
      }
      const PersistentBackward<T> loop = backward_of(group, y, dy);
      PersistentLoop<C>::backward(team, loop);
      if (place_.is_first()) continue;
      PersistentLoop<C>::add_start_gradient(team, loop);
      send(place_.previous(), buffers_.d_state, group);
    }
    assign_input_gradients<T>(team, {.x = x.tokens(),
                                     .da = gates().tokens(),
                                     .weight_ih = value(kWeightIh),
                                     .dx = dx.tokens(),
                                     .dweight_ih = parameters_[kWeightIh].gradient.matrix(),
                                     .dbias_ih = parameters_[kBiasIh].gradient.values()});
    assign_recurrent_gradients<C>(
        team, {.y = y,
               .gates = gates(),
               .kept = kept(),
               .h_start = place_.is_first() ? MatrixView<const T>() : h_of(buffers_.state_before),
               .dweight_hh = parameters_[kWeightHh].gradient.matrix(),
               .dbias_ih = parameters_[kBiasIh].gradient.values(),
               .dbias_hh = parameters_[kBiasHh].gradient.values()});
    this->sum_gradients_of_ranks();
  }

 protected:
  PipelineBuffers<BufferShape> buffer_shapes(SequenceShape whole, Pass pass,
                                             int workers) const override {
    const Index B = whole.batch, D = width_;
    const Index steps = block_of_steps(whole.steps, place_).count;
    const bool train = pass == Pass::kTrain;
    const EvenParts groups = EvenParts::into(B, pipeline_groups(B, place_.ranks));
    const Index n = groups[0].count, columns = UnitCut<T>{.width = D}.columns();
    Index shares = 1;
    for (const Index group : {n, groups[groups.count() - 1].count}) {
      shares = std::max(shares, plan_loop<T>(group, D, workers).unit_shares);
    }
    PipelineBuffers<BufferShape> buffers;
    buffers.gates = {B, steps, G * D};
    if (K > 0) buffers.kept = {B, train ? steps : 1, K * D};
    buffers.state_before = buffers.state_after = {B, S * D};
    buffers.packed_weights = {G * D, columns};
    buffers.packed_bias = {G * columns};
    buffers.h = {2, n, state_stride<T>(D)};
    buffers.u = {shares, n, forward_block_columns<C>()};
    if (!train) return buffers;
    buffers.d_state = buffers.state_before;
    buffers.du = {2, n, state_stride<T>(G * D)};
    return buffers;
  }

 private:
  using Base = SequenceParallelLayer<T, PipelineBuffers>;
  using Base::buffers_, Base::parameters_, Base::place_, Base::ranks_, Base::trains_, Base::width_;
  using Base::value;
  using C = Cell<T>;
  static constexpr Index G = C::kGates, K = C::kKept, S = C::kCarriesKept ? 2 : 1;

  enum { kWeightIh, kWeightHh, kBiasIh, kBiasHh };  // in parameters_

  SequenceView<T> gates() {
    return {buffers_.gates.data(), this->batch(), this->steps(), G * width_};
  }
  SequenceView<T> kept() {
    return {buffers_.kept.data(), this->batch(), trains_ ? this->steps() : 1, K * width_};
  }
  EvenParts sequence_groups() const {
    return EvenParts::into(this->batch(), pipeline_groups(this->batch(), place_.ranks));
  }

  template <typename U>
  static SequenceView<U> of_group(SequenceView<U> all, Part group) {
    return {all.data + group.first * all.steps * all.width, group.count, all.steps, all.width};
  }
  static MatrixView<T> states(Tensor<T>& buffer, Part group) {
    return buffer.matrix().row_block(group.first, group.count);
  }
  MatrixView<T> h_of(Tensor<T>& states) const { return states.matrix().column_block(0, width_); }
  /// The second vector of some states; the first where there is one alone, which nobody reads then.
  MatrixView<T> kept_of(MatrixView<T> states) const {
    return states.column_block(C::kCarriesKept ? width_ : 0, width_);
  }

  std::span<T> elements(Tensor<T>& buffer, Part group) const {
    return buffer.values().subspan(std::size_t(group.first * S * width_),
                                   std::size_t(group.count * S * width_));
  }
  void send(int to, Tensor<T>& buffer, Part group) {
    ranks_.send(to, std::as_bytes(elements(buffer, group)));
  }
  void receive(int from, Tensor<T>& buffer, Part group) {
    ranks_.receive(from, std::as_writable_bytes(elements(buffer, group)));
  }

  PersistentForward<T> forward_of(Part group, SequenceView<T> y) {
    const MatrixView<T> before = states(buffers_.state_before, group);
    return {.weight_hh = value(kWeightHh),
            .bias_hh = parameters_[kBiasHh].value.data(),
            .gates = of_group(gates(), group),
            .shared = {},
            .kept = of_group(kept(), group),
            .y = of_group(y, group),
            .keeps = trains_,
            .h_start = before.column_block(0, width_),
            .kept_start = kept_of(before),
            .packed_weights = buffers_.packed_weights.data(),
            .packed_bias = buffers_.packed_bias.data(),
            .h = buffers_.h.data(),
            .rounded_h = nullptr,
            .u = buffers_.u.data()};
  }

  /// The state that a group has come to.
  void keep_end(Part group, SequenceView<const T> y) {
    const MatrixView<T> after = states(buffers_.state_after, group);
    copy(of_group(y, group).step(y.steps - 1), after.column_block(0, width_));
    if (!C::kCarriesKept) return;
    const SequenceView<const T> all = of_group(kept(), group);
    copy(all.step(all.steps - 1), kept_of(after));
  }

  PersistentBackward<T> backward_of(Part group, SequenceView<const T> y, SequenceView<const T> dy) {
    const MatrixView<T> before = states(buffers_.state_before, group);
    const MatrixView<T> d_state = states(buffers_.d_state, group);
    return {.weight_hh = value(kWeightHh),
            .y = of_group(y, group),
            .dy = of_group(dy, group),
            .gates = of_group(gates(), group),
            .kept = of_group(kept(), group),
            .h_start = before.column_block(0, width_),
            .kept_start = kept_of(before),
            .packed_weights = buffers_.packed_weights.data(),
            .du = buffers_.du.data(),
            .rounded_du = nullptr,
            .dh = d_state.column_block(0, width_),
            .dkept = kept_of(d_state)};
  }
};

/// S of a model.
Index carried_vectors_of(const std::string& model) { return model == "lstm" ? 2 : 1; }

}  // namespace

std::string reason_against_recurrent_pipeline(const LayerSpec& spec, SequenceShape whole,
                                              int ranks) {
  if (spec.kernel != "persistent") {
    return spec.model + " by strategy sequence has kernel persistent alone, not " + spec.kernel;
  }
  if (spec.factors != Factors::kAsTheyAre) return "strategy sequence has dtype float32 alone";
  return reason_against_steps(whole.steps, ranks);
}

Index pipeline_groups(Index batch, int ranks) {
  // A step of n sequences takes about as long as n + kWeights of them, since it reads the weights
  // whatever n is. An LSTM's of D = 256 on a Zen 4: 11, 12, 23, 43 and 82 µs for n = 1, 2, 4,
  // 8, 16. Wider ones, whose weights lie beyond L2, would want larger groups.
  constexpr Index kWeights = 1;
  Index best = 1, least = 0;
  for (Index groups = 1; groups <= batch; ++groups) {
    const Index time = (groups + ranks - 1) * (parts_in(batch, groups) + kWeights);
    if (groups == 1 || time < least) best = groups, least = time;
  }
  return best;
}

double pipeline_bound(Index batch, int ranks) {
  const double m = double(pipeline_groups(batch, ranks));
  return m / (m + ranks - 1);
}

RankSends recurrent_pipeline_sends(const LayerSpec& spec, SequenceShape whole, Pass pass,
                                   const RankPlace& place, double element_bytes) {
  const double groups = double(pipeline_groups(whole.batch, place.ranks));
  const double states = double(carried_vectors_of(spec.model)) * double(whole.batch) *
                        double(spec.width) * element_bytes;
  const int times = (place.is_last() ? 0 : 1) + (pass == Pass::kTrain && !place.is_first() ? 1 : 0);
  return {.messages = times * groups, .bytes = times * states};
}

template <typename T>
std::unique_ptr<RankLayer<T>> make_sequence_parallel_recurrent(const LayerSpec& spec,
                                                               Communicator& ranks) {
  refuse_for(reason_against_recurrent_pipeline(spec, {.steps = ranks.size()}, ranks.size()));
  if (spec.model == "elman") return std::make_unique<RecurrentPipeline<Elman, T>>(spec, ranks);
  if (spec.model == "lstm") return std::make_unique<RecurrentPipeline<Lstm, T>>(spec, ranks);
  if (spec.model == "gru") return std::make_unique<RecurrentPipeline<Gru, T>>(spec, ranks);
  throw std::invalid_argument("model " + spec.model + " has no pipeline over ranks");
}

#define SEQBENCH_INSTANTIATE(T)                                                                \
  template std::unique_ptr<RankLayer<T>> make_sequence_parallel_recurrent<T>(const LayerSpec&, \
                                                                             Communicator&);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
