#include "harness/ranks/ring_attention.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <vector>

#include "attention/key_blocks.h"
#include "attention/rotary.h"
#include "attention/scaled_dot_product.h"
#include "core/buffers.h"
#include "core/elementwise.h"
#include "core/linear.h"
#include "harness/ranks/sequence_parallel_layer.h"

namespace seqbench {
namespace {

/// Rows of O that are multiplied by W_out at a time where they stand in y.
constexpr Index kOutputRows = 1024;

/// Workspace, as core/buffers.h says. T_r are the steps of this rank, S the most of any; a block of
/// K and V is a matrix [B·T_s, d_k] for each head of K, then of V, behind each other.
template <typename Buffer>
struct RingBuffers {
  Buffer projection;       // Q, a matrix for each head, then the own K and V [3D, B, S]
  Buffer travelling[2];    // K and V of another rank [2D, B, S]
  Buffer output_rows;      // forward alone [at most kOutputRows, D]
  Buffer context;          // train: O [B, T_r, D]
  Buffer d_context;        // train: dO, a matrix [B·T_r, d_k] for each head [D, B, T_r]
  Buffer d_projection;     // train: dQ [B·T_r, D] beside this rank's part of a block's dK and dV
                           // [B·T_s, 2D], in the end its own [B, S, 3D]
  Buffer d_travelling[2];  // train: dK and dV of a block, as far as ranks have added to them
                           // [B, S, 2D]
  Buffer rotary;           // [T_r, 2·⌊d_k/2⌋] cosines and sines of this rank's positions
  AttentionWorkspace<Buffer> kernel;

  std::vector<Buffer*> buffers() {
    std::vector<Buffer*> list{&projection,      &travelling[0], &travelling[1], &output_rows,
                              &context,         &d_context,     &d_projection,  &d_travelling[0],
                              &d_travelling[1], &rotary};
    std::ranges::copy(kernel.buffers(), std::back_inserter(list));
    return list;
  }
};

/// A rank's steps of T.
std::vector<Part> attended_steps(const LayerSpec& spec, Index steps, const RankPlace& place) {
  return spec.causal ? zig_zag_steps(steps, place) : std::vector{block_of_steps(steps, place)};
}

template <typename T>
class RingAttention final : public SequenceParallelLayer<T, RingBuffers> {
 public:
  RingAttention(const LayerSpec& spec, Communicator& ranks)
      : SequenceParallelLayer<T, RingBuffers>(spec, ranks), spec_(spec) {}

  void forward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y,
               [[maybe_unused]] Keep keep) override {
    assert(this->is_share(x));
    assert(keep == Keep::kNothing || trains_);
    linear_forward<T>(
        team,
        {.x = x.tokens(), .weight = value(kInWeight), .bias = bias(kInBias), .y = projection()});
    rotate(team, Turn::kForward, projection().block_range(0, 2 * spec_.heads));
    const MatrixView<T> context = trains_ ? buffers_.context.matrix() : y.tokens();
    go_round([&](int source, BlockedMatrixView<const T> keys_and_values) {
      const KeyBlock block = block_of(source);
      if (!meets(block)) return;
      fused_forward(team, problem(source, keys_and_values, context), block, buffers_.kernel);
    });
    if (place_.ranks > 1) finish_rows(team, problem(place_.rank, {}, context), buffers_.kernel);
    project_out(team, context, y.tokens());
  }

  void backward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<const T> /*y*/,
                SequenceView<const T> dy, SequenceView<T> dx) override {
    assert(trains_);
    const Index D = spec_.width, rows = rows_of_rank(place_.rank);
    const auto d_context = blocks_over(buffers_.d_context.data(), rows, head_width(), spec_.heads);
    linear_backward<T>(team, {.x = buffers_.context.matrix(),
                              .weight = value(kOutWeight),
                              .dy = dy.tokens(),
                              .dx = d_context,
                              .dweight = parameters_[kOutWeight].gradient.matrix(),
                              .dbias = parameters_[kOutBias].gradient.values()});
    attend_backward(team, d_context);
    const MatrixView<T> d_projection = buffers_.d_projection.matrix().row_block(0, rows);
    rotate(team, Turn::kBack, in_blocks(d_projection.column_block(0, 2 * D), head_width()));
    linear_backward<T>(team, {.x = x.tokens(),
                              .weight = value(kInWeight),
                              .dy = d_projection,
                              .dx = as_one_block(dx.tokens()),
                              .dweight = parameters_[kInWeight].gradient.matrix(),
                              .dbias = parameters_[kInBias].gradient.values()});
    this->sum_gradients_of_ranks();
  }

 protected:
  std::vector<Part> steps_of(Index steps, const RankPlace& place) const override {
    return attended_steps(spec_, steps, place);
  }

  RingBuffers<BufferShape> buffer_shapes(SequenceShape whole, Pass pass,
                                         int workers) const override {
    const Index B = whole.batch, D = width_, d_k = head_width();
    const Index own = steps_in(steps_of(whole.steps, place_)), most = most_steps(whole.steps);
    const bool train = pass == Pass::kTrain;
    RingBuffers<BufferShape> buffers;
    buffers.projection = {3 * D, B, most};
    // Training keeps its own block, which inference hands on.
    const int blocks = std::min(place_.ranks - 1, train ? 2 : 1);
    for (int i = 0; i < blocks; ++i) buffers.travelling[i] = {2 * D, B, most};
    if (spec_.rotary && d_k > 1) buffers.rotary = {own, d_k / 2 * 2};
    buffers.kernel = fused_block_workspace<T>({.batch = B,
                                               .steps = most,
                                               .heads = spec_.heads,
                                               .head_width = d_k,
                                               .causal = spec_.causal},
                                              pass, workers);
    if (!train) {
      buffers.output_rows = {std::min(kOutputRows, B * own), D};
      return buffers;
    }
    buffers.context = {B, own, D};
    buffers.d_context = {D, B, own};
    buffers.d_projection = {B, most, 3 * D};
    if (place_.ranks > 1) buffers.d_travelling[0] = buffers.d_travelling[1] = {B, most, 2 * D};
    return buffers;
  }

  void finish_reserve(SequenceShape whole, const RingBuffers<BufferShape>& shapes) override {
    buffers_.kernel.chunk_keys = shapes.kernel.chunk_keys;
    steps_of_ranks_.clear();
    for (int rank = 0; rank < place_.ranks; ++rank) {
      steps_of_ranks_.push_back(steps_of(whole.steps, {rank, place_.ranks}));
    }
    if (turns()) fill_angles();
  }

 private:
  using Base = SequenceParallelLayer<T, RingBuffers>;
  using Base::buffers_, Base::parameters_, Base::place_, Base::ranks_, Base::trains_, Base::width_;
  using Base::value;

  enum { kInWeight, kInBias, kOutWeight, kOutBias };  // in parameters_

  /// Of any rank.
  Index most_steps(Index steps) const {
    Index most = 0;
    for (int rank = 0; rank < place_.ranks; ++rank) {
      most = std::max(most, steps_in(steps_of(steps, {rank, place_.ranks})));
    }
    return most;
  }

  Index head_width() const { return spec_.width / spec_.heads; }
  const std::vector<Part>& own_steps() const { return steps_of_ranks_[std::size_t(place_.rank)]; }
  /// B·T_s.
  Index rows_of_rank(int rank) const {
    return this->batch() * steps_in(steps_of_ranks_[std::size_t(rank)]);
  }
  std::span<const T> bias(std::size_t p) const { return parameters_[p].value.values(); }

  /// Heads of Q, K and V: 3H blocks [B·T_r, d_k].
  BlockedMatrixView<T> projection() {
    return blocks_over(buffers_.projection.data(), rows_of_rank(place_.rank), head_width(),
                       3 * spec_.heads);
  }

  /// Where K and V stand in stage k, of whatever rank they are then.
  T* keys_and_values(int stage) {
    T* const own = buffers_.projection.data() + rows_of_rank(place_.rank) * spec_.width;
    if (stage == 0 || (!trains_ && stage % 2 == 0)) return own;
    return buffers_.travelling[trains_ ? (stage - 1) % 2 : 0].data();
  }

  /// Elements of the K and V, or dK and dV, of a rank.
  std::span<T> block_over(T* data, int rank) const {
    return {data, std::size_t(2 * spec_.width * rows_of_rank(rank))};
  }

  /// Begins to send some rank's elements to the next one and to receive the one before that's.
  void hand_on(int source, T* sent, T* received) {
    const int source_before = RankPlace{source, place_.ranks}.previous();
    ranks_.begin_exchange(place_.next(), std::as_bytes(block_over(sent, source)), place_.previous(),
                          std::as_writable_bytes(block_over(received, source_before)));
  }

  /// In each stage calls meet(source, heads of K and V) and, when all that was begun has arrived,
  /// then_hand_on(stage, source).
  template <typename Meet, typename ThenHandOn>
  void go_round(const Meet& meet, const ThenHandOn& then_hand_on) {
    for (int stage = 0; stage < place_.ranks; ++stage) {
      const int source = place_.before(stage);
      const bool is_last = stage + 1 == place_.ranks;
      if (!is_last) hand_on(source, keys_and_values(stage), keys_and_values(stage + 1));
      meet(source, blocks_over<const T>(keys_and_values(stage), rows_of_rank(source), head_width(),
                                        2 * spec_.heads));
      if (place_.ranks > 1) ranks_.wait();
      then_hand_on(stage, source);
    }
  }
  template <typename Meet>
  void go_round(const Meet& meet) {
    go_round(meet, [](int, int) {});
  }

  /// The keys of a rank as this one's queries meet them.
  KeyBlock block_of(int source) const {
    const auto& steps = steps_of_ranks_[std::size_t(source)];
    KeyBlock block{.steps = steps_in(steps),
                   .keys = steps_in(steps),
                   .begins = source == place_.rank,
                   .finishes = place_.ranks == 1};
    if (spec_.causal && source < place_.rank) block.keys = steps.front().count;
    if (spec_.causal && source > place_.rank) block.first_query = own_steps().front().count;
    return block;
  }
  /// A rank without late queries meets none of the ranks behind it.
  bool meets(const KeyBlock& block) const { return block.first_query < this->steps(); }

  /// This rank's queries, and keys of a rank.
  AttentionProblem<T> problem(int source, BlockedMatrixView<const T> keys_and_values,
                              MatrixView<T> context) {
    const Index H = spec_.heads;
    const bool has_keys = keys_and_values.data != nullptr;
    return {.shape = {.batch = this->batch(),
                      .steps = this->steps(),
                      .heads = H,
                      .head_width = head_width(),
                      .causal = spec_.causal && source == place_.rank},
            .q = projection().block_range(0, H),
            .k = has_keys ? keys_and_values.block_range(0, H) : keys_and_values,
            .v = has_keys ? keys_and_values.block_range(H, H) : keys_and_values,
            .output = in_blocks(context, head_width())};
  }

  /// y = O·W_outᵀ + b_out; O may be y, whose rows then leave it some at a time.
  void project_out(const ThreadTeam& team, MatrixView<const T> context, MatrixView<T> y) {
    const auto multiply = [&](MatrixView<const T> rows, MatrixView<T> to) {
      linear_forward<T>(
          team,
          {.x = rows, .weight = value(kOutWeight), .bias = bias(kOutBias), .y = as_one_block(to)});
    };
    if (context.data != y.data) return multiply(context, y);
    const EvenParts parts = EvenParts::of_at_most(y.rows, buffers_.output_rows.shape()[0]);
    for (Index i = 0; i < parts.count(); ++i) {
      const MatrixView<T> rows = y.row_block(parts[i].first, parts[i].count);
      const MatrixView<T> taken = buffers_.output_rows.matrix().row_block(0, rows.rows);
      copy<T>(rows, taken);
      multiply(taken, rows);
    }
  }

  /// Assigns [dQ dK dV] to d_projection.
  void attend_backward(const ThreadTeam& team, BlockedMatrixView<const T> d_context) {
    const Index D = spec_.width, own = rows_of_rank(place_.rank);
    const MatrixView<T> d_projection = buffers_.d_projection.matrix();
    const auto of_block = [&](int source) {
      return d_projection.column_block(D, 2 * D).row_block(0, rows_of_rank(source));
    };
    const auto travelling = [&](int stage, int source) -> MatrixView<T> {
      return {buffers_.d_travelling[stage % 2].data(), rows_of_rank(source), 2 * D};
    };
    const bool alone = place_.ranks == 1;
    go_round(
        [&](int source, BlockedMatrixView<const T> keys_and_values) {
          const KeyBlock block = block_of(source);
          if (!meets(block)) return;
          const bool begins_there = source == place_.rank && !alone;
          const MatrixView<T> to = begins_there ? travelling(0, source) : of_block(source);
          fused_backward<T>(
              team, problem(source, keys_and_values, buffers_.context.matrix()),
              {.d_output = d_context,
               .dq = in_blocks(d_projection.column_block(0, D).row_block(0, own), head_width()),
               .dk = in_blocks(to.column_block(0, D), head_width()),
               .dv = in_blocks(to.column_block(D, D), head_width())},
              block, buffers_.kernel);
        },
        [&](int stage, int source) {
          if (alone) return;
          const KeyBlock block = block_of(source);
          const MatrixView<T> sum = travelling(stage, source);
          if (stage > 0 && meets(block)) add_keys(team, block, of_block(source), sum);
          hand_on(source, sum.data, buffers_.d_travelling[(stage + 1) % 2].data());
        });
    if (alone) return;
    ranks_.wait();
    copy<T>(travelling(place_.ranks, place_.rank), of_block(place_.rank));
  }

  /// Adds the rows of the keys that were met.
  void add_keys(const ThreadTeam& team, const KeyBlock& block, MatrixView<const T> part,
                MatrixView<T> sum) const {
    constexpr Index kRows = 256;  // of a task
    const Index tasks = parts_in(block.keys, kRows);
    team.for_each_task(this->batch() * tasks, [&](Index task, int) {
      const Index first = task % tasks * kRows, count = std::min(kRows, block.keys - first);
      const Index row = task / tasks * block.steps + first;
      add<T>(part.row_block(row, count), sum.row_block(row, count));
    });
  }

  bool turns() const { return buffers_.rotary.size() > 0; }
  void fill_angles() {
    Index row = 0;
    for (const Part& part : own_steps()) {
      fill_rotary_angles(head_width(), buffers_.rotary.matrix().row_block(row, part.count),
                         part.first);
      row += part.count;
    }
  }
  void rotate(const ThreadTeam& team, Turn turn, BlockedMatrixView<T> heads) {
    if (!turns()) return;
    rotate_heads<T>(team, buffers_.rotary.matrix(),
                    {.batch = this->batch(), .steps = this->steps(), .turn = turn}, heads);
  }

  LayerSpec spec_;
  std::vector<std::vector<Part>> steps_of_ranks_;
};

}  // namespace

std::string reason_against_ring_attention(const LayerSpec& spec, SequenceShape whole, int ranks) {
  if (spec.kernel != "fused") {
    return "attention by strategy sequence has kernel fused alone, not " + spec.kernel;
  }
  if (spec.factors != Factors::kAsTheyAre) return "strategy sequence has dtype float32 alone";
  if (spec.uniform || spec.window > 0 || spec.ablation != Ablation::kNone ||
      spec.watch != nullptr || spec.dropout != nullptr) {
    return "attention by strategy sequence has neither controls, ablations nor dropout";
  }
  return reason_against_steps(whole.steps, ranks);
}

RankSends ring_attention_sends(const LayerSpec& spec, SequenceShape whole, Pass pass,
                               const RankPlace& place, double element_bytes) {
  if (place.ranks == 1) return {};
  const double P = place.ranks, element = 2 * double(spec.width) * element_bytes;
  const double all = double(whole.batch) * double(whole.steps);
  const double of_next =
      double(whole.batch) *
      double(steps_in(attended_steps(spec, whole.steps, {place.next(), place.ranks})));
  const double round = element * (all - of_next);
  if (pass != Pass::kTrain) return {.messages = P - 1, .bytes = round};
  return {.messages = 2 * (P - 1) + P, .bytes = 2 * round + element * all};
}

template <typename T>
std::unique_ptr<RankLayer<T>> make_sequence_parallel_attention(const LayerSpec& spec,
                                                               Communicator& ranks) {
  refuse_for(reason_against_ring_attention(spec, {.steps = ranks.size()}, ranks.size()));
  return std::make_unique<RingAttention<T>>(spec, ranks);
}

#define SEQBENCH_INSTANTIATE(T)                                                                \
  template std::unique_ptr<RankLayer<T>> make_sequence_parallel_attention<T>(const LayerSpec&, \
                                                                             Communicator&);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
