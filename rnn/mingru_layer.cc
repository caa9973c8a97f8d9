#include "rnn/mingru_layer.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/bias.h"
#include "core/buffers.h"
#include "core/elementwise.h"
#include "core/embedding.h"
#include "core/gemm.h"
#include "core/initialisers.h"
#include "core/rounded_linear.h"
#include "rnn/each_sequence.h"
#include "rnn/mingru_scan.h"

namespace seqbench {
namespace {

constexpr Index G = kMinGruGates;

/// Workspace, as core/buffers.h says. S is T where all steps are needed at once, else 1.
template <typename Buffer>
struct MinGruBuffers {
  Buffer h;               // [B, D] decode: the state
  Buffer gates;           // [B, S, 2·D] W·x + b, then z and h̃, then da
  Buffer dh;              // [B, D] train: gradient of h that comes from the step after
  Buffer sums;            // [B, 2·D] train: Σ_t da
  Buffer packed_weights;  // scan alone, as this and the following in rnn/mingru_scan.h
  Buffer packed_bias;
  Buffer rounded_x;  // scan in bfloat16
  Buffer panels;     // decode in bfloat16, core/rounded_linear.h: W, a row of each sequence
  Buffer rounded_rows;

  std::array<Buffer*, 9> buffers() {
    return {&h,           &gates,     &dh,     &sums,        &packed_weights,
            &packed_bias, &rounded_x, &panels, &rounded_rows};
  }
};

/// What a pass uses of them. Inference by `scan` holds no gates but those of one decoded token.
template <typename T>
MinGruBuffers<BufferShape> mingru_workspace(const MinGruOptions& options, SequenceShape shape,
                                            Pass pass, int workers) {
  const Index B = shape.batch, D = options.width;
  const bool train = pass == Pass::kTrain, decode = pass == Pass::kDecode;
  const bool scans = options.kernel == MinGruKernel::kScan;
  MinGruBuffers<BufferShape> workspace;
  if (decode) workspace.h = {B, D};
  if (train || decode || !scans) workspace.gates = {B, train ? shape.steps : 1, G * D};
  if (train) workspace.dh = {B, D}, workspace.sums = {B, G * D};
  if (!scans) return workspace;
  const Index columns = UnitCut<T>{.width = D}.columns();
  workspace.packed_weights = {D, G * columns};
  workspace.packed_bias = {G * columns};
  if (options.factors == Factors::kBfloat16) {
    workspace.packed_weights = {elements_of_depth<Bfloat16Pair>(D), G * columns};
    workspace.rounded_x = {workers, rounded_tile_elements<T>(D)};
    if (decode) workspace.panels = rounded_weight_shape(G * D, D);
    if (decode) workspace.rounded_rows = rounded_rows_shape(B, D);
  }
  return workspace;
}

std::vector<ParameterShape> mingru_parameters(Index width) {
  return {{"weight_ih_l0", {G * width, width}}, {"bias_ih_l0", {G * width}}};
}

template <typename T>
class MinGruLayer final : public SequenceLayer<T> {
 public:
  explicit MinGruLayer(const MinGruOptions& options) : options_(options) {
    if (options.width < 1) {
      throw std::invalid_argument("a recurrent layer needs a width of at least 1, got " +
                                  std::to_string(options.width));
    }
    for (const ParameterShape& declared : mingru_parameters(options.width)) {
      parameters_.push_back(make_parameter<T>(declared));
    }
  }

  Index width() const override { return options_.width; }
  std::span<Parameter<T>> parameters() override { return parameters_; }
  bool takes_narrow_input() const override { return true; }

  void initialise(Random& random) override {
    for (auto& parameter : parameters_) uniform_by_fan_in(random, parameter.value, width());
  }

  LayerCost cost(SequenceShape shape, Pass pass, int workers) const override {
    return mingru_cost<T>(options_, shape, pass, workers);
  }

  void reserve(SequenceShape shape, Pass pass, int workers) override {
    keeps_steps_ = pass == Pass::kTrain;
    for (auto& parameter : parameters_) reserve_gradient(parameter, false);
    allocate_buffers(mingru_workspace<T>(options_, shape, pass, workers), buffers_);
    for (auto& parameter : parameters_) reserve_gradient(parameter, keeps_steps_);
  }

  void forward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y,
               Keep keep) override {
    assert(keep == Keep::kNothing || keeps_steps_);
    (void)keep;  // a layer reserved for training always keeps
    run_through(team, x, y, start());
    keep_end(y);
  }

  void backward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<const T> y,
                SequenceView<const T> dy, SequenceView<T> dx) override {
    const SequenceView<T> gates = gates_over({x.batch, x.steps});
    if (scans()) {
      retreat_scan(team,
                   {.gates = gates.tokens(), .h_start = start(), .y = y, .dy = dy, .da = gates});
      assign_gradients(team, {.x = x.tokens(), .da = gates.tokens(), .dx = dx.tokens()});
    } else {
      step_back(team, {.x = x, .y = y, .dy = dy, .gates = gates, .dx = dx});
    }
    assign_bias_gradient(team, x.batch);
  }

  void prefill(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y) override {
    run_through(team, x, y, {});
    copy(y.step(y.steps - 1), state_of(y.batch));
    pack_where_rounded<T>(team, weight(width()), buffers_.panels);
  }

  void decode(const ThreadTeam& team, MatrixView<const T> x, MatrixView<T> y) override {
    const MatrixView<T> h = state_of(x.rows);
    step(team, {.x = x, .h_previous = h, .gates = gates_over({x.rows, 1}).step(0), .h = h});
    copy(h, y);
  }

  void rewind(Index) override {}

  Index carried_vectors() const override { return 1; }
  void carry(const CarriedState<T>& state) override { carried_ = state; }

  double row_scratch(SequenceShape /*shape*/, RowCounts rows) const override {
    return mingru_row_scratch(options_, rows);
  }

  /// z and h̃ of each row once.
  void forward_rows(const ThreadTeam& team, const RowPass<T>& pass,
                    [[maybe_unused]] Keep keep) override {
    assert(keep == Keep::kNothing || keeps_steps_);
    const MatrixView<T> gates = scratch_of(pass, 0);
    gemm(team, pass.x, weight(pass.x.cols), gates, {.transpose_b = true}, bias());
    with_candidate(options_.candidate, [&](auto candidate) {
      team.for_each_task(gates.rows, [&](Index row, int) {
        mingru_activate<decltype(candidate)::value>(gates.row_block(row, 1));
      });
    });
    const SequenceView<T> y = sequence_of(pass);
    scan_forward<T>(team,
                    {.rows = pass.shared.data(), .shared = gates, .h_start = start(), .y = y});
    keep_end(y);
  }

  /// Each row's gradient is a function of the sum of its tokens' da, which comes first.
  void backward_rows(const ThreadTeam& team, const RowPass<T>& pass, MatrixView<const T> dy,
                     MatrixView<T> dx) override {
    const SequenceView<const T> y = sequence_of(pass);
    const SequenceView<T> da = gates_over(pass.shape);
    const MatrixView<T> sums = scratch_of(pass, 1);
    retreat_scan(team, {.rows = pass.shared.data(),
                        .gates = scratch_of(pass, 0),
                        .h_start = start(),
                        .y = y,
                        .dy = {dy.data, y.batch, y.steps, y.width},
                        .da = da});
    embedding_backward<T>(pass.shared, da.tokens(), sums);
    assign_gradients(team, {.x = pass.x, .da = sums, .dx = dx});
    assign_bias_gradient(team, y.batch);
  }

 private:
  enum { kWeight, kBias };  // in parameters_

  bool scans() const { return options_.kernel == MinGruKernel::kScan; }

  /// The columns of an input's first channels, the others being 0.
  MatrixView<const T> weight(Index channels) const {
    return parameters_[kWeight].value.matrix().column_block(0, channels);
  }
  const T* bias() const { return parameters_[kBias].value.data(); }

  /// x·Wᵀ + b of some rows, by the packed weight where the layer decodes in bfloat16.
  void multiply_input(const ThreadTeam& team, MatrixView<const T> x, MatrixView<T> products) {
    if (multiply_where_rounded<T>(team, {.x = x,
                                         .panels = buffers_.panels,
                                         .inputs = width(),
                                         .bias = parameters_[kBias].value.values(),
                                         .y = products,
                                         .rounded_rows = buffers_.rounded_rows})) {
      return;
    }
    gemm(team, x, weight(x.cols), products, {.transpose_b = true, .factors = options_.factors},
         bias());
  }

  /// The front of a buffer, for a shape that may be smaller than reserved.
  SequenceView<T> gates_over(SequenceShape shape) {
    assert(shape.batch * shape.steps * G * width() <= buffers_.gates.size());
    return {buffers_.gates.data(), shape.batch, shape.steps, G * width()};
  }
  MatrixView<T> state_of(Index batch) { return {buffers_.h.data(), batch, width()}; }
  MatrixView<T> dh_of(Index batch) { return {buffers_.dh.data(), batch, width()}; }
  MatrixView<T> sums_of(Index batch) { return {buffers_.sums.data(), batch, G * width()}; }

  /// [U, 2·D] of the pass's scratch: first z and h̃, second sums of da. Throws std::logic_error for
  /// a pass that the layer lacks.
  MatrixView<T> scratch_of(const RowPass<T>& pass, Index which) const {
    if (row_scratch(pass.shape, pass.counts()) == 0) this->refuse_rows();
    const Index rows = pass.x.rows, cols = G * width();
    return {pass.scratch + which * rows * cols, rows, cols};
  }
  /// Its y, all of whose tokens are there.
  static SequenceView<T> sequence_of(const RowPass<T>& pass) {
    return {pass.y.data, pass.shape.batch, pass.shape.steps, pass.y.cols};
  }

  /// h_{−1} [B, D] of a pass; empty: 0.
  MatrixView<const T> start() const {
    return carried_.is_empty() ? MatrixView<const T>() : carried_.before;
  }
  /// The state that a forward pass has come to, where it is asked for.
  void keep_end(SequenceView<const T> y) {
    if (!carried_.is_empty()) copy(y.step(y.steps - 1), carried_.after);
  }

  /// y from x and the state before, by the kernel.
  void run_through(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y,
                   MatrixView<const T> h_start) {
    if (scans()) {
      scan(team, x, y, h_start);
    } else {
      step_through(team, x, y, h_start);
    }
  }

  void scan(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y,
            MatrixView<const T> h_start) {
    scan_forward<T>(team,
                    {.candidate = options_.candidate,
                     .factors = options_.factors,
                     .weight = weight(x.width),
                     .bias = bias(),
                     .x = x,
                     .y = y,
                     .h_start = h_start,
                     .gates = keeps_steps_ ? gates_over({x.batch, x.steps}) : SequenceView<T>(),
                     .packed_weights = buffers_.packed_weights.data(),
                     .packed_bias = buffers_.packed_bias.data(),
                     .rounded_x = buffers_.rounded_x.data()});
  }

  void retreat_scan(const ThreadTeam& team, ScanBackward<T> pass) {
    pass.candidate = options_.candidate;
    pass.dh = dh_of(pass.y.batch);
    pass.sums = sums_of(pass.y.batch);
    scan_backward<T>(team, pass);
  }

  struct Step {
    MatrixView<const T> x;           // [B, C]
    MatrixView<const T> h_previous;  // [B, D]; empty: 0
    MatrixView<T> gates;             // [B, 2·D] assigned z and h̃
    MatrixView<T> h;                 // [B, D] assigned; may be h_previous
  };

  void step(const ThreadTeam& team, const Step& step) {
    team.note_steps(1);
    const Index D = width();
    multiply_input(team, step.x, step.gates);
    with_candidate(options_.candidate, [&](auto candidate) {
      for_each_sequence(team, step.h.rows, G * D, [&](Index b) {
        const MatrixView<T> z = step.gates.row_block(b, 1).column_block(kMinGruZ * D, D);
        const MatrixView<T> c = step.gates.row_block(b, 1).column_block(kMinGruH * D, D);
        const bool starts = step.h_previous.data == nullptr;
        mingru_advance<decltype(candidate)::value, T>(
            {.a_z = z,
             .a_h = c,
             .h_previous = starts ? nullptr : step.h_previous.row(b),
             .h = step.h.row_block(b, 1),
             .z = z,
             .candidate = c});
      });
    });
  }

  /// The loop of the kernel `stepwise`.
  void step_through(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y,
                    MatrixView<const T> h_start) {
    const SequenceView<T> gates = gates_over({x.batch, keeps_steps_ ? x.steps : 1});
    for (Index t = 0; t < x.steps; ++t) {
      step(team, {.x = x.step(t),
                  .h_previous = t > 0 ? MatrixView<const T>(y.step(t - 1)) : h_start,
                  .gates = gates.step(std::min(t, gates.steps - 1)),
                  .h = y.step(t)});
    }
  }

  struct StepsBack {
    SequenceView<const T> x;   // [B, T, C]
    SequenceView<const T> y;   // [B, T, D]
    SequenceView<const T> dy;  // [B, T, D]
    SequenceView<T> gates;     // [B, T, 2·D] in: z and h̃; out: da
    SequenceView<T> dx;        // [B, T, C] assigned
  };

  /// Its loop backward, all products inside.
  void step_back(const ThreadTeam& team, const StepsBack& loop) {
    const Index B = loop.y.batch, C = loop.x.width;
    const MatrixView<T> dweight = parameters_[kWeight].gradient.matrix();
    set_zero(dweight);
    set_zero(dh_of(B));
    set_zero(sums_of(B));
    for (Index t = loop.y.steps - 1; t >= 0; --t) {
      team.note_steps(1);
      const MatrixView<T> da = loop.gates.step(t);
      with_candidate(options_.candidate, [&](auto candidate) {
        for_each_sequence(team, B, G * width(),
                          [&](Index b) { retreat<decltype(candidate)::value>(loop, t, b); });
      });
      gemm(team, da, weight(C), loop.dx.step(t), {.factors = options_.factors});
      gemm(team, da, loop.x.step(t), dweight.column_block(0, C),
           {.transpose_a = true, .accumulate = true, .factors = options_.factors});
    }
  }

  template <Candidate kCandidate>
  void retreat(const StepsBack& loop, Index t, Index b) {
    const Index D = width();
    T *const gates = loop.gates.step(t).row(b), *const sums = sums_of(loop.y.batch).row(b);
    const MatrixView<const T> before = t > 0 ? loop.y.step(t - 1) : start();
    mingru_retreat<kCandidate, T>({.units = D,
                                   .dy = loop.dy.step(t).row(b),
                                   .h_previous = before.data == nullptr ? nullptr : before.row(b),
                                   .z = gates + kMinGruZ * D,
                                   .candidate = gates + kMinGruH * D,
                                   .da_z = gates + kMinGruZ * D,
                                   .da_h = gates + kMinGruH * D,
                                   .dh = dh_of(loop.y.batch).row(b),
                                   .sum_z = sums + kMinGruZ * D,
                                   .sum_h = sums + kMinGruH * D});
  }

  struct Gradients {
    MatrixView<const T> x;   // [N, C]
    MatrixView<const T> da;  // [N, 2·D]
    MatrixView<T> dx;        // [N, C] assigned
  };

  /// Of all tokens at once, but for the bias.
  void assign_gradients(const ThreadTeam& team, const Gradients& tokens) {
    const Index C = tokens.x.cols;
    const MatrixView<T> dweight = parameters_[kWeight].gradient.matrix();
    gemm(team, tokens.da, weight(C), tokens.dx, {.factors = options_.factors});
    gemm(team, tokens.da, tokens.x, dweight.column_block(0, C),
         {.transpose_a = true, .factors = options_.factors});
    set_zero(dweight.column_block(C, width() - C));  // of channels that x lacks
  }

  /// Σ over sequences of their sums, in order.
  void assign_bias_gradient(const ThreadTeam& team, Index batch) {
    Tensor<T>& gradient = parameters_[kBias].gradient;
    std::ranges::fill(gradient.values(), T{0});
    add_column_sums(team, sums_of(batch), gradient.data());
  }

  MinGruOptions options_;
  std::vector<Parameter<T>> parameters_;
  MinGruBuffers<Tensor<T>> buffers_;
  bool keeps_steps_ = false;  // reserved for training
  CarriedState<T> carried_;
};

}  // namespace

template <typename T>
std::unique_ptr<SequenceLayer<T>> make_mingru(const MinGruOptions& options) {
  return std::make_unique<MinGruLayer<T>>(options);
}

template <typename T>
LayerCost mingru_cost(const MinGruOptions& options, SequenceShape shape, Pass pass, int workers) {
  const double B = double(shape.batch), D = double(options.width);
  const double tokens = pass == Pass::kDecode ? B : B * double(shape.steps);
  LayerCost cost;
  cost.flops = (pass == Pass::kTrain ? 3 : 1) * 2 * double(G) * tokens * D * D;
  for (const ParameterShape& parameter : mingru_parameters(options.width)) {
    cost.parameters += element_count(parameter.shape);
    // Its gradient.
    if (pass == Pass::kTrain) cost.workspace_bytes += allocated_bytes<T>(parameter.shape);
  }
  cost.state_bytes = B * D * sizeof(T);
  cost.workspace_bytes += allocated_bytes<T>(mingru_workspace<T>(options, shape, pass, workers));
  return cost;
}

/// Two buffers: of z and h̃, and of the sums of da.
double mingru_row_scratch(const MinGruOptions& options, RowCounts rows) {
  if (options.kernel != MinGruKernel::kScan || rows.wanted > 0) return 0;
  if (options.factors == Factors::kBfloat16) return 0;
  return 2 * double(rows.shared) * double(G) * double(options.width);
}

std::string mingru_form(const MinGruOptions& options, SequenceShape shape, Pass pass, int workers) {
  if (options.kernel != MinGruKernel::kScan || pass == Pass::kDecode) return "";
  const double flops = mingru_cost<float>(options, shape, Pass::kForward, workers).flops;
  const ScanPlan plan = plan_scan<float>(shape, options.width, flops, workers);
  if (plan.unit_shares == 1) return "sequences/" + std::to_string(plan.sequence_groups);
  return "units/" + std::to_string(plan.unit_shares) +
         (plan.sequence_groups == 1 ? "" : " sequences/" + std::to_string(plan.sequence_groups));
}

#define SEQBENCH_INSTANTIATE(T)                                                    \
  template std::unique_ptr<SequenceLayer<T>> make_mingru<T>(const MinGruOptions&); \
  template LayerCost mingru_cost<T>(const MinGruOptions&, SequenceShape, Pass, int);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
