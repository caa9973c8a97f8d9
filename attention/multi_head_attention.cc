#include "attention/multi_head_attention.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

#include "attention/decode.h"
#include "attention/few_queries.h"
#include "attention/rotary.h"
#include "attention/scaled_dot_product.h"
#include "core/elementwise.h"
#include "core/gemm.h"
#include "core/initialisers.h"
#include "core/linear.h"
#include "core/parts.h"
#include "core/rounded_linear.h"

namespace seqbench {
namespace {

void check(const AttentionOptions& options) {
  if (options.width < 1) {
    throw std::invalid_argument("attention needs a width of at least 1, got " +
                                std::to_string(options.width));
  }
  if (options.heads < 1 || options.width % options.heads != 0) {
    throw std::invalid_argument("attention needs a number of heads that divides the width " +
                                std::to_string(options.width) + ", got " +
                                std::to_string(options.heads));
  }
  assert((options.watch == nullptr && options.dropout == nullptr && options.window == 0 &&
          options.ablation != Ablation::kNoSoftmax) ||
         options.kernel == AttentionKernel::kNaive);
  assert(options.factors == Factors::kAsTheyAre ||
         (options.kernel == AttentionKernel::kFused && options.ablation == Ablation::kNone));
}

Index heads_of(const AttentionOptions& options) {
  return options.ablation == Ablation::kOneHead ? 1 : options.heads;
}

/// The rows of W_in [3D, D], those of Q, K and V behind each other, that the layer multiplies by.
Part projecting_rows(const AttentionOptions& options) {
  const Index D = options.width;
  switch (options.ablation) {
    case Ablation::kFrozenQueriesAndKeys:
      return {2 * D, D};
    case Ablation::kIdentityValues:
      return {0, 2 * D};
    default:
      return {0, 3 * D};
  }
}

enum ParameterIndex { kInWeight, kInBias, kOutWeight, kOutBias, kParameters };

std::array<BufferShape, kParameters> parameter_shapes(const AttentionOptions& options) {
  const Index D = options.width, b = options.biases ? 1 : 0;
  return {BufferShape{3 * D, D}, BufferShape{3 * D * b}, BufferShape{D, D}, BufferShape{D * b}};
}

AttentionShape attention_shape(const AttentionOptions& options, SequenceShape shape) {
  return {.batch = shape.batch,
          .steps = shape.steps,
          .heads = heads_of(options),
          .head_width = options.width / heads_of(options),
          .causal = options.causal,
          .factors = options.factors};
}

/// All memory of a layer but parameters and their gradients; `Buffer` as core/buffers.h
/// says.
template <typename Buffer>
struct LayerBuffers {
  Buffer projection;  // Q, K and V, a matrix [B·T, d_k] for each head behind the other [3D, B, T]
  Buffer context;     // [O_1 … O_H] [B, T, D]
  Buffer d_projection;        // train: [dQ dK dV] [B, T, 3D]
  Buffer d_context;           // train: dO, a matrix [B·T, d_k] for each head [D, B, T]
  Buffer rotary;              // rotary positions: cosines and sines [T + 1, 2·⌊d_k/2⌋]
  Buffer weight_multipliers;  // train, dropout: [B·H, T, T]
  Buffer in_panels, out_panels, rounded_rows;  // decode in bfloat16, core/rounded_linear.h: W_in,
                                               // W_out, a row of each sequence
  AttentionWorkspace<Buffer> kernel;
  DecodeWorkspace<Buffer> decode;  // decode

  std::vector<Buffer*> buffers() {
    std::vector<Buffer*> list{&projection,         &context,   &d_projection, &d_context,   &rotary,
                              &weight_multipliers, &in_panels, &out_panels,   &rounded_rows};
    std::ranges::copy(kernel.buffers(), std::back_inserter(list));
    std::ranges::copy(decode.buffers(), std::back_inserter(list));
    return list;
  }
};

/// The one list of what a reserved layer allocates; the parameters' gradients, which have the
/// shapes of the parameters, come on top when pass is kTrain.
template <typename T>
LayerBuffers<BufferShape> buffer_shapes(const AttentionOptions& options, SequenceShape shape,
                                        Pass pass, int workers) {
  const Index B = shape.batch, steps = shape.steps, D = options.width;
  const AttentionShape heads = attention_shape(options, shape);
  LayerBuffers<BufferShape> buffers;
  buffers.projection = {3 * D, B, steps};
  buffers.context = {B, steps, D};
  if (pass == Pass::kTrain) {
    buffers.d_projection = {B, steps, 3 * D};
    buffers.d_context = {D, B, steps};
    if (options.dropout != nullptr)
      buffers.weight_multipliers = {B * heads_of(options), steps, steps};
  }
  // One row more than steps, for the token that a decode step appends.
  if (options.rotary && heads.head_width > 1) {
    buffers.rotary = {steps + 1, heads.head_width / 2 * 2};
  }
  buffers.kernel = options.kernel == AttentionKernel::kNaive
                       ? naive_workspace(heads, pass, workers)
                       : fused_workspace<T>(heads, pass, workers);
  if (pass == Pass::kDecode) buffers.decode = decode_workspace(heads, steps + 1, workers);
  if (pass == Pass::kDecode && options.factors == Factors::kBfloat16) {
    buffers.in_panels = rounded_weight_shape(3 * D, D);
    buffers.out_panels = rounded_weight_shape(D, D);
    buffers.rounded_rows = rounded_rows_shape(B, D);
  }
  return buffers;
}

double flops(const AttentionOptions& options, SequenceShape shape, Pass pass) {
  const double B = double(shape.batch), T = double(shape.steps), D = double(options.width);
  if (pass == Pass::kDecode) return 8 * B * D * D + 4 * B * (T + 1) * D;
  const double scores = options.causal ? 2 * B * T * (T + 1) * D : 4 * B * T * T * D;
  return (pass == Pass::kTrain ? 3 : 1) * (8 * B * T * D * D + scores);
}

template <typename T>
class MultiHeadAttention final : public SequenceLayer<T> {
 public:
  explicit MultiHeadAttention(const AttentionOptions& options)
      : options_(options), heads_(heads_of(options)) {
    const auto shapes = parameter_shapes(options);
    constexpr std::array kNames{"in_proj_weight", "in_proj_bias", "out_proj.weight",
                                "out_proj.bias"};
    for (std::size_t p = 0; p < kParameters; ++p) {
      parameters_[p] = {.name = kNames[p], .value = Tensor<T>(shapes[p]), .gradient = {}};
    }
    if (options.ablation == Ablation::kFrozenQueriesAndKeys) draw_frozen_weights();
  }

  Index width() const override { return options_.width; }
  std::span<Parameter<T>> parameters() override { return parameters_; }

  void initialise(Random& random) override {
    glorot_uniform(random, parameters_[kInWeight].value);
    uniform_by_fan_in(random, parameters_[kOutWeight].value, options_.width);
    for (const auto bias : {kInBias, kOutBias}) {
      std::ranges::fill(parameters_[bias].value.values(), T{0});
    }
  }

  LayerCost cost(SequenceShape shape, Pass pass, int workers) const override {
    return attention_cost<T>(options_, shape, pass, workers);
  }

  void reserve(SequenceShape shape, Pass pass, int workers) override {
    for (auto& parameter : parameters_) parameter.gradient = {};
    reserved_ = {};
    cached_tokens_ = 0;

    const auto shapes = buffer_shapes<T>(options_, shape, pass, workers);
    allocate_buffers(shapes, buffers_);
    buffers_.kernel.chunk_keys = shapes.kernel.chunk_keys;
    if (turns()) fill_rotary_angles(head_width(), buffers_.rotary.matrix());
    if (pass == Pass::kTrain) {
      for (auto& parameter : parameters_) parameter.gradient = Tensor<T>(parameter.value.shape());
    }
    reserved_ = shape;
    reserved_workers_ = workers;
  }

  void forward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y,
               [[maybe_unused]] Keep keep) override {
    assert_reserved(team, x);
    assert(keep == Keep::kNothing || buffers_.d_projection.size() > 0);
    project_in(team, x.tokens());
    rotate(team, {.batch = x.batch, .steps = x.steps}, queries_and_keys(x.batch * x.steps));
    if (options_.kernel == AttentionKernel::kNaive) {
      draw_weight_multipliers(x.batch, x.steps);
      naive_forward(team, problem(x.batch, x.steps), buffers_.kernel);
      keep_maps(problem(x.batch, x.steps));
    } else {
      fused_forward(team, problem(x.batch, x.steps), buffers_.kernel);
    }
    project_out(team, y.tokens());
  }

  void backward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<const T> /*y*/,
                SequenceView<const T> dy, SequenceView<T> dx) override {
    assert_reserved(team, x);
    const Index rows = x.batch * x.steps, D = options_.width;
    const Index H = heads_, d_k = D / H;
    const auto d_context = blocks_over(buffers_.d_context.data(), rows, d_k, H);
    const MatrixView<T> d_projection(buffers_.d_projection.data(), rows, 3 * D);
    linear_backward<T>(team, {.x = context(rows),
                              .weight = value(kOutWeight),
                              .dy = dy.tokens(),
                              .dx = d_context,
                              .dweight = parameters_[kOutWeight].gradient.matrix(),
                              .dbias = parameters_[kOutBias].gradient.values(),
                              .factors = options_.factors});
    const AttentionGradients<T> gradients{
        .d_output = d_context,
        .dq = in_blocks(d_projection.column_block(0, D), d_k),
        .dk = in_blocks(d_projection.column_block(D, D), d_k),
        .dv = in_blocks(d_projection.column_block(2 * D, D), d_k)};
    if (options_.kernel == AttentionKernel::kNaive) {
      naive_backward(team, problem(x.batch, x.steps), gradients, buffers_.kernel);
    } else {
      fused_backward(team, problem(x.batch, x.steps), gradients, buffers_.kernel);
    }
    rotate(team, {.batch = x.batch, .steps = x.steps, .turn = Turn::kBack},
           in_blocks(d_projection.column_block(0, 2 * D), d_k));
    project_in_backward(team, x.tokens(), d_projection, dx.tokens());
  }

  double row_scratch(SequenceShape shape, RowCounts rows) const override {
    return attention_row_scratch(options_, shape, rows);
  }

  void forward_rows(const ThreadTeam& team, const RowPass<T>& pass, Keep /*keep*/) override {
    const SequenceView<const T> x = sequence_of(pass);
    assert_reserved(team, x);
    const RowScratch at = row_scratch_at(pass);
    gather_rows(pass.x, pass.wanted, at.x);
    const FewQueries<T> problem = few_queries(pass, at);
    const Index D = options_.width;
    const std::span<const T> bias = std::as_const(parameters_[kInBias].value).values();
    const std::size_t of_queries = bias.size() / 3;
    linear_forward<T>(team, {.x = at.x,
                             .weight = value(kInWeight).row_block(0, D),
                             .bias = bias.first(of_queries),
                             .y = queries(at.x.rows)});
    linear_forward<T>(team, {.x = pass.x,
                             .weight = value(kInWeight).row_block(D, 2 * D),
                             .bias = bias.subspan(of_queries),
                             .y = keys_and_values(x.batch * x.steps)});
    if (options_.uniform) {
      set_to_zero(queries(at.x.rows));
      set_to_zero(keys(x.batch * x.steps));
    }
    few_queries_forward(team, problem);
    project_out(team, pass.y);
  }

  void backward_rows(const ThreadTeam& team, const RowPass<T>& pass, MatrixView<const T> dy,
                     MatrixView<T> dx) override {
    const RowScratch at = row_scratch_at(pass);
    const Index A = at.x.rows, N = pass.x.rows, D = options_.width, d_k = head_width();
    const MatrixView<T> d_context(buffers_.d_context.data(), A, D);
    linear_backward<T>(team, {.x = context(A),
                              .weight = value(kOutWeight),
                              .dy = dy,
                              .dx = as_one_block(d_context),
                              .dweight = parameters_[kOutWeight].gradient.matrix(),
                              .dbias = parameters_[kOutBias].gradient.values()});
    const MatrixView<T> dkv(buffers_.d_projection.data(), N, 2 * D);
    const MatrixView<T> dq(buffers_.d_projection.data() + 2 * N * D, A, D);
    few_queries_backward<T>(team, few_queries(pass, at),
                            {.d_output = in_blocks(d_context, d_k),
                             .dq = in_blocks(dq, d_k),
                             .dk = in_blocks(dkv.column_block(0, D), d_k),
                             .dv = in_blocks(dkv.column_block(D, D), d_k)});
    const MatrixView<T> d_weight = parameters_[kInWeight].gradient.matrix();
    const std::span<T> d_bias = parameters_[kInBias].gradient.values();
    linear_backward<T>(team, {.x = at.x,
                              .weight = value(kInWeight).row_block(0, D),
                              .dy = dq,
                              .dx = as_one_block(at.dx),
                              .dweight = d_weight.row_block(0, D),
                              .dbias = d_bias.first(d_bias.size() / 3)});
    linear_backward<T>(team, {.x = pass.x,
                              .weight = value(kInWeight).row_block(D, 2 * D),
                              .dy = dkv,
                              .dx = as_one_block(dx),
                              .dweight = d_weight.row_block(D, 2 * D),
                              .dbias = d_bias.subspan(d_bias.size() / 3)});
    scatter_add_rows(at.dx, pass.wanted, dx);
  }

  void prefill(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y) override {
    assert(buffers_.decode.keys.size() > 0);
    forward(team, x, y, Keep::kNothing);
    const AttentionProblem<T> sequence = problem(x.batch, x.steps);
    with_cache([&](const auto& cache) {
      append_to_cache(team, cache,
                      CacheAppend<T>{.shape = sequence.shape, .k = sequence.k, .v = sequence.v});
    });
    cached_tokens_ = x.steps;
    pack_where_rounded<T>(team, value(kInWeight), buffers_.in_panels);
    pack_where_rounded<T>(team, value(kOutWeight), buffers_.out_panels);
  }

  void decode(const ThreadTeam& team, MatrixView<const T> x, MatrixView<T> y) override {
    assert(buffers_.decode.keys.size() > 0 && x.rows <= reserved_.batch);
    assert(team.size() <= reserved_workers_);
    if (cached_tokens_ > reserved_.steps) {
      throw std::length_error("the key-value cache was reserved for " +
                              std::to_string(reserved_.steps + 1) + " tokens and holds " +
                              std::to_string(cached_tokens_));
    }
    const BlockedMatrixView<T> qkv = project_token(team, x);
    rotate(team, {.batch = x.rows, .first = cached_tokens_}, qkv.block_range(0, 2 * heads_));
    const CacheAppend<T> token{.shape = shape_of({.batch = x.rows, .steps = 1}),
                               .k = qkv.block_range(heads_, heads_),
                               .v = qkv.block_range(2 * heads_, heads_),
                               .first = cached_tokens_};
    ++cached_tokens_;
    const DecodeProblem<T> query{.batch = x.rows,
                                 .context = cached_tokens_,
                                 .q = qkv.block_range(0, heads_),
                                 .output = in_blocks(context(x.rows), head_width())};
    with_cache([&](const auto& cache) {
      append_to_cache(team, cache, token);
      decode_attention(team, cache, query, buffers_.decode);
    });
    project_token_out(team, y);
  }

  void rewind(Index steps) override { cached_tokens_ = std::min(cached_tokens_, steps); }

 private:
  void assert_reserved([[maybe_unused]] const ThreadTeam& team,
                       [[maybe_unused]] SequenceView<const T> x) const {
    assert(x.batch <= reserved_.batch && x.steps <= reserved_.steps);
    assert(x.width == options_.width && team.size() <= reserved_workers_);
  }

  MatrixView<const T> value(ParameterIndex p) const { return parameters_[p].value.matrix(); }
  /// Heads of Q, then of K, then of V: 3H blocks.
  BlockedMatrixView<T> projection(Index rows) {
    const Index H = heads_;
    return blocks_over(buffers_.projection.data(), rows, options_.width / H, 3 * H);
  }
  /// Heads of Q [A, d_k] each, where there are only those of some tokens; K and V as above.
  BlockedMatrixView<T> queries(Index rows) {
    return blocks_over(buffers_.projection.data(), rows, head_width(), heads_);
  }
  BlockedMatrixView<T> keys_and_values(Index rows) {
    return projection(rows).block_range(heads_, 2 * heads_);
  }
  BlockedMatrixView<T> keys(Index rows) { return projection(rows).block_range(heads_, heads_); }
  AttentionShape shape_of(SequenceShape shape) const { return attention_shape(options_, shape); }

  /// Its x, all of whose tokens are there.
  static SequenceView<const T> sequence_of(const RowPass<T>& pass) {
    return {pass.x.data, pass.shape.batch, pass.shape.steps, pass.x.cols};
  }

  /// What row_scratch() is for.
  struct RowScratch {
    MatrixView<T> x, dx;  // [A, D] of the wanted tokens
    T* kernel;
  };
  /// Throws std::logic_error for a pass that the layer lacks.
  RowScratch row_scratch_at(const RowPass<T>& pass) const {
    if (row_scratch(pass.shape, pass.counts()) == 0) this->refuse_rows();
    const Index A = pass.y.rows, D = options_.width;
    return {.x = {pass.scratch, A, D},
            .dx = {pass.scratch + A * D, A, D},
            .kernel = pass.scratch + 2 * A * D};
  }
  FewQueries<T> few_queries(const RowPass<T>& pass, const RowScratch& at) {
    const Index A = at.x.rows;
    const BlockedMatrixView<T> kv = keys_and_values(pass.x.rows);
    return {.shape = shape_of(pass.shape),
            .rows = pass.wanted,
            .q = queries(A),
            .k = kv.block_range(0, heads_),
            .v = kv.block_range(heads_, heads_),
            .output = in_blocks(context(A), head_width()),
            .scratch = at.kernel};
  }

  /// A head of width 1 has no pair to turn.
  bool turns() const { return buffers_.rotary.size() > 0; }
  Index head_width() const { return options_.width / heads_; }
  BlockedMatrixView<T> queries_and_keys(Index rows) {
    return projection(rows).block_range(0, 2 * heads_);
  }
  MatrixView<T> context(Index rows) { return {buffers_.context.data(), rows, options_.width}; }

  /// Xavier-uniform over [3D, D], as W_in starts; without a bias.
  void draw_frozen_weights() {
    const Index D = options_.width;
    Random random(options_.frozen_seed);
    Tensor<T> all({3 * D, D});
    glorot_uniform(random, all);
    frozen_weight_ = Tensor<T>({2 * D, D});
    copy(std::as_const(all).matrix().row_block(0, 2 * D), frozen_weight_.matrix());
  }

  /// Elements of b_in, or of its gradient; none of a layer without biases.
  template <typename Bias>
  static Bias of_bias(Bias bias, Index first, Index count) {
    return bias.empty() ? bias : bias.subspan(std::size_t(first), std::size_t(count));
  }

  /// [Q K V] = x·W_inᵀ + b_in, but for what is ablated.
  void project_in(const ThreadTeam& team, MatrixView<const T> x) {
    const auto [first, count] = projecting_rows(options_);
    const std::span<const T> bias = std::as_const(parameters_[kInBias].value).values();
    const BlockedMatrixView<T> qkv = projection(x.rows);
    linear_forward<T>(team, {.x = x,
                             .weight = value(kInWeight).row_block(first, count),
                             .bias = of_bias(bias, first, count),
                             .y = qkv.block_range(first / head_width(), count / head_width()),
                             .factors = options_.factors});
    switch (options_.ablation) {
      case Ablation::kFrozenQueriesAndKeys:
        gemm<T>(team, x, std::as_const(frozen_weight_).matrix(), queries_and_keys(x.rows),
                {.transpose_b = true});
        break;
      case Ablation::kIdentityValues:
        for (Index h = 0; h < heads_; ++h) {
          copy(x.column_block(h * head_width(), head_width()), qkv.block(2 * heads_ + h));
        }
        break;
      case Ablation::kUnscaled:  // the kernels' 1/√d_k is undone
        for (Index h = 0; h < heads_; ++h) scale(qkv.block(h), 1 / logit_scale<T>(head_width()));
        break;
      default:
        break;
    }
    if (options_.uniform) set_to_zero(queries_and_keys(x.rows));
  }

  /// Undoes project_in: assigns dx and the gradients of W_in and b_in, 0 of those without an
  /// effect. dqkv [N, 3D] is overwritten.
  void project_in_backward(const ThreadTeam& team, MatrixView<const T> x, MatrixView<T> dqkv,
                           MatrixView<T> dx) {
    const Index D = options_.width;
    if (options_.ablation == Ablation::kUnscaled) {
      scale(dqkv.column_block(0, D), 1 / logit_scale<T>(head_width()));
    }
    const auto [first, count] = projecting_rows(options_);
    const MatrixView<T> d_weight = parameters_[kInWeight].gradient.matrix();
    const std::span<T> d_bias = parameters_[kInBias].gradient.values();
    if (count < 3 * D) {
      set_zero(d_weight);
      std::ranges::fill(d_bias, T{0});
    }
    linear_backward<T>(team, {.x = x,
                              .weight = value(kInWeight).row_block(first, count),
                              .dy = dqkv.column_block(first, count),
                              .dx = as_one_block(dx),
                              .dweight = d_weight.row_block(first, count),
                              .dbias = of_bias(d_bias, first, count),
                              .factors = options_.factors});
    if (options_.ablation == Ablation::kFrozenQueriesAndKeys) {
      gemm<T>(team, dqkv.column_block(0, 2 * D), std::as_const(frozen_weight_).matrix(), dx,
              {.accumulate = true});
    }
    if (options_.ablation == Ablation::kIdentityValues) add(dqkv.column_block(2 * D, D), dx);
  }

  /// Blocks that lie behind each other.
  static void set_to_zero(BlockedMatrixView<T> heads) {
    for (Index h = 0; h < heads.blocks; ++h) set_zero(heads.block(h));
  }

  /// Turns heads of queries and keys, or of their gradients, where the layer has rotary positions.
  void rotate(const ThreadTeam& team, const RotarySpan& span, BlockedMatrixView<T> heads) {
    if (!turns()) return;
    rotate_heads<T>(team, buffers_.rotary.matrix(), span, heads);
  }

  /// y = [O_1 … O_H]·W_outᵀ + b_out.
  void project_out(const ThreadTeam& team, MatrixView<T> y) {
    linear_forward<T>(team, {.x = context(y.rows),
                             .weight = value(kOutWeight),
                             .bias = parameters_[kOutBias].value.values(),
                             .y = as_one_block(y),
                             .factors = options_.factors});
  }

  /// Q, K and V of one token of each sequence: 3H blocks [B, d_k].
  BlockedMatrixView<T> project_token(const ThreadTeam& team, MatrixView<const T> x) {
    const MatrixView<T> rows(buffers_.projection.data(), x.rows, 3 * options_.width);
    if (multiplies_packed(team, x, buffers_.in_panels, kInBias, rows)) {
      const BlockedMatrixView<T> qkv = in_blocks(rows, head_width());
      if (options_.uniform) set_to_zero(qkv.block_range(0, 2 * heads_));
      return qkv;
    }
    project_in(team, x);
    return projection(x.rows);
  }

  /// project_out() of one token of each sequence.
  void project_token_out(const ThreadTeam& team, MatrixView<T> y) {
    if (multiplies_packed(team, context(y.rows), buffers_.out_panels, kOutBias, y)) return;
    project_out(team, y);
  }

  bool multiplies_packed(const ThreadTeam& team, MatrixView<const T> x, Tensor<T>& panels,
                         std::size_t bias, MatrixView<T> y) {
    return multiply_where_rounded<T>(team, {.x = x,
                                            .panels = panels,
                                            .inputs = options_.width,
                                            .bias = std::as_const(parameters_[bias].value).values(),
                                            .y = y,
                                            .rounded_rows = buffers_.rounded_rows});
  }

  /// The layer's buffers as B sequences of T_steps tokens.
  AttentionProblem<T> problem(Index B, Index T_steps) {
    const Index H = heads_, d_k = options_.width / H;
    const BlockedMatrixView<const T> qkv = projection(B * T_steps);
    return {.shape = shape_of({.batch = B, .steps = T_steps}),
            .q = qkv.block_range(0, H),
            .k = qkv.block_range(H, H),
            .v = qkv.block_range(2 * H, H),
            .output = in_blocks(context(B * T_steps), d_k),
            .hidden = options_.watch != nullptr ? &options_.watch->hidden : nullptr,
            .window = options_.window,
            .softmax = options_.ablation != Ablation::kNoSoftmax,
            .weight_multipliers = drops_weights() ? buffers_.weight_multipliers.data() : nullptr};
  }

  bool drops_weights() const { return options_.dropout != nullptr && options_.dropout->drops(); }
  void draw_weight_multipliers(Index B, Index T_steps) {
    if (!drops_weights()) return;
    const auto count = static_cast<std::size_t>(B * heads_ * T_steps * T_steps);
    assert(buffers_.weight_multipliers.values().size() >= count);  // reserved for Pass::kTrain
    draw_multipliers(*options_.dropout, buffers_.weight_multipliers.values().first(count));
  }

  void keep_maps(const AttentionProblem<T>& problem) {
    if (options_.watch == nullptr || !options_.watch->keeps_maps) return;
    for (Index b = 0; b < problem.shape.batch; ++b) {
      for (Index h = 0; h < problem.shape.heads; ++h) {
        options_.watch->maps.push_back(attention_map(problem, b, h));
      }
    }
  }

  /// Calls body(cache) with the cache of the layer's factors.
  template <typename Body>
  void with_cache(const Body& body) {
    T *const keys = buffers_.decode.keys.data(), *const values = buffers_.decode.values.data();
    const Index capacity = reserved_.steps + 1;
    if constexpr (std::is_same_v<T, float>) {
      if (options_.factors == Factors::kBfloat16) {
        return body(RoundedKeyValueCache{.keys = elements_over<Bfloat16Pair>(keys),
                                         .values = elements_over<Bfloat16Pair>(values),
                                         .heads = heads_,
                                         .capacity = capacity,
                                         .head_width = head_width()});
      }
    }
    assert(options_.factors == Factors::kAsTheyAre);
    body(KeyValueCache<T>{.keys = keys,
                          .values = values,
                          .heads = heads_,
                          .capacity = capacity,
                          .head_width = head_width()});
  }

  AttentionOptions options_;
  Index heads_;  // H
  std::array<Parameter<T>, kParameters> parameters_;
  Tensor<T> frozen_weight_;  // of Q and K [2D, D], no parameter; empty unless they are frozen
  LayerBuffers<Tensor<T>> buffers_;
  SequenceShape reserved_{.batch = 0, .steps = 0};
  int reserved_workers_ = 0;
  Index cached_tokens_ = 0;
};

}  // namespace

template <typename T>
std::unique_ptr<SequenceLayer<T>> make_attention(const AttentionOptions& options) {
  check(options);
  return std::make_unique<MultiHeadAttention<T>>(options);
}

template <typename T>
LayerCost attention_cost(const AttentionOptions& options, SequenceShape shape, Pass pass,
                         int workers) {
  check(options);
  LayerCost cost;
  cost.flops = flops(options, shape, pass);
  for (const BufferShape& parameter : parameter_shapes(options)) {
    cost.parameters += element_count(parameter);
    // Its gradient.
    if (pass == Pass::kTrain) cost.workspace_bytes += allocated_bytes<T>(parameter);
  }
  const double cached_tokens = double(shape.batch) * (double(shape.steps) + 1);
  const double element = options.factors == Factors::kBfloat16 ? sizeof(T) / 2 : sizeof(T);
  cost.state_bytes = 2 * cached_tokens * double(options.width) * element;
  cost.workspace_bytes += allocated_bytes<T>(buffer_shapes<T>(options, shape, pass, workers));
  return cost;
}

double attention_row_scratch(const AttentionOptions& options, SequenceShape shape, RowCounts rows) {
  // Only while P is small beside what the fused kernel saves, and where no position turns queries.
  constexpr Index kTokensPerQuery = 4;
  const bool few = rows.wanted * kTokensPerQuery <= shape.batch * shape.steps;
  const bool fits = options.kernel == AttentionKernel::kFused && !options.rotary &&
                    options.ablation == Ablation::kNone && options.factors == Factors::kAsTheyAre;
  if (rows.shared > 0 || rows.wanted == 0 || !few || !fits) return 0;
  return few_queries_scratch(attention_shape(options, shape), rows.wanted) +
         2.0 * double(rows.wanted) * double(options.width);
}

#define SEQBENCH_INSTANTIATE(T)                                                          \
  template std::unique_ptr<SequenceLayer<T>> make_attention<T>(const AttentionOptions&); \
  template LayerCost attention_cost<T>(const AttentionOptions&, SequenceShape, Pass, int);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
