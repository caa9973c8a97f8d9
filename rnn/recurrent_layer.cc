#include "rnn/recurrent_layer.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/bias.h"
#include "core/elementwise.h"
#include "core/gemm.h"
#include "core/initialisers.h"
#include "rnn/each_sequence.h"
#include "rnn/elman.h"
#include "rnn/gru.h"
#include "rnn/lstm.h"
#include "rnn/newton_loop.h"
#include "rnn/persistent_loop.h"
#include "rnn/recurrent_buffers.h"
#include "rnn/recurrent_gradients.h"

namespace seqbench {
namespace {

template <typename T, template <typename> class Cell>
class RecurrentLayer final : public SequenceLayer<T> {
 public:
  explicit RecurrentLayer(const RecurrentOptions& options) : options_(options) {
    if (options.width < 1) {
      throw std::invalid_argument("a recurrent layer needs a width of at least 1, got " +
                                  std::to_string(options.width));
    }
    for (auto& [name, shape] : recurrent_parameters(G, options.width)) {
      parameters_.push_back({name, Tensor<T>(shape), {}});
    }
  }

  Index width() const override { return options_.width; }
  std::span<Parameter<T>> parameters() override { return parameters_; }

  void initialise(Random& random) override {
    for (auto& parameter : parameters_) uniform_by_fan_in(random, parameter.value, width());
  }

  LayerCost cost(SequenceShape shape, Pass pass, int workers) const override {
    return recurrent_cost<T, Cell>(options_, shape, pass, workers);
  }

  void reserve(SequenceShape shape, Pass pass, int workers) override {
    for (auto& parameter : parameters_) parameter.gradient = {};
    allocate_buffers(recurrent_workspace<Cell<T>>(options_, shape, pass, workers), buffers_);
    keeps_steps_ = pass == Pass::kTrain;
    if (!keeps_steps_) return;
    for (auto& parameter : parameters_) {
      parameter.gradient = Tensor<T>(parameter.value.shape());
    }
  }

  void forward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y,
               Keep keep) override {
    assert(keep == Keep::kNothing || keeps_steps_);
    (void)keep;  // a layer reserved for training always keeps
    last_ = {x.batch, x.steps};
    switch (options_.kernel) {
      case RecurrentKernel::kStepwise:
      case RecurrentKernel::kHoisted:
        run_through(team, x, y, start_of(x.batch), options_.kernel == RecurrentKernel::kHoisted);
        return keep_end(y);
      case RecurrentKernel::kPersistent:
      case RecurrentKernel::kNewton:
        break;
    }
    const bool in_loop = !keeps_steps_ && multiplies_input_in_loop<T>(options_, G, last_, x.width,
                                                                      team.concurrency());
    if (!in_loop) {
      const SequenceView<T> a = sequence_over(buffers_.gates, last_, G);
      gemm(team, x.tokens(), weight_ih(x.width), a.tokens(), transposed_weight(), bias_ih());
    }
    if (options_.kernel == RecurrentKernel::kPersistent) {
      const LoopInput<T> input = in_loop ? loop_input(x) : LoopInput<T>{};
      with_persistent_loop(
          [&](auto loop) { loop.forward(team, persistent_forward({.in_loop = input}, y)); });
    } else {
      counts_ = NewtonLoop<Cell<T>>::forward(team, {.sequential = persistent_forward({}, y),
                                                    .scratch = newton_scratch(),
                                                    .panel_bias = buffers_.panel_bias.data(),
                                                    .states = buffers_.window_states.data(),
                                                    .kept = buffers_.window_kept.data()});
    }
    keep_end(y);
  }

  void prefill(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y) override {
    pack_where_rounded<T>(team, weight_ih(width()), buffers_.input_panels);
    pack_where_rounded<T>(team, weight_hh(), buffers_.hidden_panels);
    run_through(team, x, y, zero_start(x.batch), /*hoists=*/false);
  }

  void decode(const ThreadTeam& team, MatrixView<const T> x, MatrixView<T> y) override {
    const MatrixView<T> gates = sequence_over(buffers_.gates, {x.rows, 1}, G).step(0);
    const MatrixView<T> kept = sequence_over(buffers_.kept, {x.rows, 1}, K).step(0);
    multiply_input(team, x, gates);
    advance(team, gates, kept, kept, y);
  }

  void rewind(Index) override {}

  Index carried_vectors() const override { return Cell<T>::kCarriesKept ? 2 : 1; }
  void carry(const CarriedState<T>& state) override { carried_ = state; }

  SweepCounts sweep_counts() const override { return counts_; }

  void backward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<const T> y,
                SequenceView<const T> dy, SequenceView<T> dx) override {
    const SequenceShape shape{x.batch, x.steps};
    const SequenceView<T> gates = sequence_over(buffers_.gates, shape, G);
    const SequenceView<T> kept = sequence_over(buffers_.kept, shape, K);
    std::ranges::fill(buffers_.dh.values(), T{0});
    std::ranges::fill(buffers_.dkept.values(), T{0});
    switch (options_.kernel) {
      case RecurrentKernel::kStepwise:
        for (auto& parameter : parameters_) std::ranges::fill(parameter.gradient.values(), T{0});
        retreat_all(team, {.y = y, .dy = dy, .gates = gates, .kept = kept}, [&](Index t) {
          add_step_gradients(team, t, {.x = x, .y = y, .gates = gates, .dx = dx});
        });
        return;
      case RecurrentKernel::kHoisted:
        retreat_all(team, {.y = y, .dy = dy, .gates = gates, .kept = kept}, [](Index) {});
        break;
      case RecurrentKernel::kPersistent:
        with_persistent_loop([&](auto loop) {
          loop.backward(team,
                        persistent_backward({.y = y, .dy = dy, .gates = gates, .kept = kept}));
        });
        break;
      case RecurrentKernel::kNewton:
        counts_.add(NewtonLoop<Cell<T>>::backward(
            team,
            {.sequential = persistent_backward({.y = y, .dy = dy, .gates = gates, .kept = kept}),
             .scratch = newton_scratch(),
             .du = buffers_.window_du.data(),
             .carries = buffers_.carries.data()}));
        break;
    }
    assign_gradients_of_input(team, x.tokens(), gates.tokens(), dx.tokens());
    assign_gradients_of_recurrence(team, {.y = y, .gates = gates, .kept = kept});
  }

  bool takes_narrow_input() const override { return true; }

  /// Of kKeepingGate, as keeping_gate_mean() says.
  double mean_kept() const {
    const Index tokens = last_.batch * last_.steps, D = width();
    double sum = 0;
    for (Index token = 0; token < tokens; ++token) {
      const T* const gate = buffers_.gates.data() + (token * G + Cell<T>::kKeepingGate) * D;
      for (Index j = 0; j < D; ++j) sum += double(gate[j]);
    }
    return sum / double(tokens * D);
  }

  double row_scratch(SequenceShape /*shape*/, RowCounts rows) const override {
    return recurrent_row_scratch<Cell<T>>(options_, rows);
  }

  void forward_rows(const ThreadTeam& team, const RowPass<T>& pass,
                    [[maybe_unused]] Keep keep) override {
    assert(keep == Keep::kNothing || keeps_steps_);
    const MatrixView<T> products = products_of(pass);
    gemm(team, pass.x, weight_ih(pass.x.cols), products, {.transpose_b = true}, bias_ih());
    PersistentLoop<Cell<T>>::forward(
        team,
        persistent_forward({.rows = pass.shared.data(), .shared = products}, sequence_of(pass)));
    keep_end(sequence_of(pass));
  }

  /// Each row's gradient is a function of the sum of its tokens' da, which comes first.
  void backward_rows(const ThreadTeam& team, const RowPass<T>& pass, MatrixView<const T> dy,
                     MatrixView<T> dx) override {
    const MatrixView<T> sums = products_of(pass);
    const SequenceView<const T> y = sequence_of(pass);
    const SequenceView<T> gates = sequence_over(buffers_.gates, pass.shape, G);
    const SequenceView<T> kept = sequence_over(buffers_.kept, pass.shape, K);
    std::ranges::fill(buffers_.dh.values(), T{0});
    std::ranges::fill(buffers_.dkept.values(), T{0});
    const SequenceView<const T> dy_steps{dy.data, y.batch, y.steps, y.width};
    PersistentLoop<Cell<T>>::backward(
        team, persistent_backward({.y = y, .dy = dy_steps, .gates = gates, .kept = kept}));
    embedding_backward<T>(pass.shared, gates.tokens(), sums);
    assign_gradients_of_input(team, pass.x, sums, dx);
    assign_gradients_of_recurrence(team, {.y = y, .gates = gates, .kept = kept});
  }

 private:
  static constexpr Index G = Cell<T>::kGates;
  static constexpr Index K = Cell<T>::kKept;
  static_assert(K <= 1);

  enum { kWeightIh, kWeightHh, kBiasIh, kBiasHh };  // in parameters_

  /// [U, G·D] in the pass's scratch. Throws std::logic_error for a pass that the layer lacks.
  MatrixView<T> products_of(const RowPass<T>& pass) const {
    if (row_scratch(pass.shape, pass.counts()) == 0) this->refuse_rows();
    return {pass.scratch, pass.x.rows, G * width()};
  }
  /// Its y, all of whose tokens are there.
  static SequenceView<T> sequence_of(const RowPass<T>& pass) {
    return {pass.y.data, pass.shape.batch, pass.shape.steps, pass.y.cols};
  }

  /// The columns of an input's first channels, the others being 0.
  MatrixView<const T> weight_ih(Index channels) const {
    return parameters_[kWeightIh].value.matrix().column_block(0, channels);
  }
  MatrixView<const T> weight_hh() const { return parameters_[kWeightHh].value.matrix(); }

  /// What forward's products do: rows·weightᵀ.
  GemmOptions transposed_weight() const {
    return {.transpose_b = true, .factors = options_.factors};
  }

  /// x·W_ihᵀ + b_ih of some rows, by the packed weight where the layer decodes in bfloat16.
  void multiply_input(const ThreadTeam& team, MatrixView<const T> x, MatrixView<T> products) {
    if (multiplies_packed(team, buffers_.input_panels, kBiasIh, x, products)) return;
    gemm(team, x, weight_ih(x.cols), products, transposed_weight(), bias_ih());
  }
  /// h·W_hhᵀ + b_hh, likewise.
  void multiply_state(const ThreadTeam& team, MatrixView<const T> h, MatrixView<T> products) {
    if (multiplies_packed(team, buffers_.hidden_panels, kBiasHh, h, products)) return;
    gemm(team, h, weight_hh(), products, transposed_weight(), bias_hh());
  }
  bool multiplies_packed(const ThreadTeam& team, Tensor<T>& panels, std::size_t bias,
                         MatrixView<const T> rows, MatrixView<T> products) {
    return multiply_where_rounded<T>(team, {.x = rows,
                                            .panels = panels,
                                            .inputs = width(),
                                            .bias = parameters_[bias].value.values(),
                                            .y = products,
                                            .rounded_rows = buffers_.rounded_rows});
  }

  const T* bias_ih() const { return parameters_[kBiasIh].value.data(); }
  const T* bias_hh() const { return parameters_[kBiasHh].value.data(); }

  /// The front of a buffer as [B, S, vectors·D], for a shape that may be smaller than reserved.
  SequenceView<T> sequence_over(Tensor<T>& buffer, SequenceShape shape, Index vectors) const {
    assert(shape.batch * shape.steps * vectors * width() <= buffer.size());
    return {buffer.data(), shape.batch, shape.steps, vectors * width()};
  }
  /// The same as [B, vectors·D].
  MatrixView<T> matrix_over(Tensor<T>& buffer, Index batch, Index vectors) const {
    return sequence_over(buffer, {batch, 1}, vectors).step(0);
  }

  MatrixView<T> dkept_over(Index batch) {
    return matrix_over(buffers_.dkept, batch, Cell<T>::kCarriesKept ? 1 : 0);
  }

  /// What a pass starts from.
  struct Start {
    MatrixView<const T> h;     // [B, D] h_{−1}
    MatrixView<const T> kept;  // [B, K·D] kept_{−1}
  };
  Start zero_start(Index batch) {
    return {matrix_over(buffers_.zeros, batch, 1), matrix_over(buffers_.zeros, batch, K)};
  }
  Start start_of(Index batch) {
    Start start = zero_start(batch);
    if (carried_.is_empty()) return start;
    assert(carried_.before.rows == batch && carried_.before.cols == carried_vectors() * width());
    start.h = carried_.before.column_block(0, width());
    if (Cell<T>::kCarriesKept) start.kept = carried_.before.column_block(width(), width());
    return start;
  }
  /// The state that a forward pass has come to, where it is asked for.
  void keep_end(SequenceView<const T> y) {
    if (carried_.is_empty()) return;
    copy(y.step(y.steps - 1), carried_.after.column_block(0, width()));
    if (!Cell<T>::kCarriesKept) return;
    const Index steps = keeps_steps_ ? y.steps : 1;
    copy(sequence_over(buffers_.kept, {y.batch, steps}, K).step(steps - 1),
         carried_.after.column_block(width(), width()));
  }

  /// Where a loop finds W_ih·x + b_ih: in the gates' buffer, if neither it multiplies x itself nor
  /// tokens share rows of it.
  struct InputProducts {
    LoopInput<T> in_loop = {};
    const Token* rows = nullptr;
    MatrixView<const T> shared = {};  // [U, G·D]
  };
  LoopInput<T> loop_input(SequenceView<const T> x) {
    return {.x = x,
            .weight_ih = weight_ih(x.width),
            .bias_ih = bias_ih(),
            .packed_weights = buffers_.packed_inputs.data(),
            .packed_bias = buffers_.packed_input_bias.data(),
            .window_rows = buffers_.products.shape()[1],
            .products = buffers_.products.data(),
            .rounded_x = buffers_.rounded_x.data()};
  }

  /// y [B, T, D] from the products with x, by the loop in which the workers stay.
  PersistentForward<T> persistent_forward(const InputProducts& input, SequenceView<T> y) {
    const SequenceShape shape{y.batch, y.steps};
    const Start start = start_of(y.batch);
    return {.weight_hh = weight_hh(),
            .bias_hh = bias_hh(),
            .input = input.in_loop,
            .gates = input.in_loop.is_empty() ? sequence_over(buffers_.gates, shape, G)
                                              : SequenceView<T>{},
            .rows = input.rows,
            .shared = input.shared,
            .kept = sequence_over(buffers_.kept, {y.batch, keeps_steps_ ? y.steps : 1}, K),
            .y = y,
            .keeps = keeps_steps_,
            .h_start = start.h,
            .kept_start = start.kept,
            .packed_weights = buffers_.packed_weights.data(),
            .packed_bias = buffers_.packed_bias.data(),
            .h = buffers_.h.data(),
            .rounded_h = buffers_.rounded_h.data(),
            .u = buffers_.u.data()};
  }

  NewtonScratch<T> newton_scratch() {
    return {.rules = options_.newton,
            .panels = buffers_.panels.data(),
            .diagonal = buffers_.diagonal.data(),
            .gates = buffers_.window_gates.data(),
            .marks = buffers_.marks.data(),
            .given_up = buffers_.given_up.data()};
  }

  /// The time loop of the other kernels: y from x, both [B, T, D], and the state after the last
  /// step.
  void run_through(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y,
                   const Start& start, bool hoists) {
    copy(start.h, matrix_over(buffers_.h, x.batch, 1));
    const Index gate_steps = hoists || keeps_steps_ ? x.steps : 1;
    const Index kept_steps = keeps_steps_ ? x.steps : 1;
    const SequenceView<T> gates = sequence_over(buffers_.gates, {x.batch, gate_steps}, G);
    const SequenceView<T> kept = sequence_over(buffers_.kept, {x.batch, kept_steps}, K);
    MatrixView<const T> kept_previous = start.kept;

    if (hoists)
      gemm(team, x.tokens(), weight_ih(x.width), gates.tokens(), transposed_weight(), bias_ih());
    for (Index t = 0; t < x.steps; ++t) {
      const MatrixView<T> gates_t = gates.step(std::min(t, gate_steps - 1));
      const MatrixView<T> kept_t = kept.step(std::min(t, kept_steps - 1));
      if (!hoists) multiply_input(team, x.step(t), gates_t);
      advance(team, gates_t, kept_previous, kept_t, y.step(t));
      kept_previous = kept_t;
    }
  }

  /// One step: the state becomes h_t, which is assigned to y_t [B, D] too.
  ///   gates_t        [B, G·D] in: W_ih·x_t + b_ih; out: activated gates
  ///   kept_previous  [B, K·D] of step t−1; may be kept_t
  ///   kept_t         [B, K·D] assigned
  void advance(const ThreadTeam& team, MatrixView<T> gates_t, MatrixView<const T> kept_previous,
               MatrixView<T> kept_t, MatrixView<T> y_t) {
    team.note_steps(1);
    const MatrixView<T> h = matrix_over(buffers_.h, y_t.rows, 1);
    const MatrixView<T> u = matrix_over(buffers_.u, y_t.rows, G);
    multiply_state(team, h, u);
    for_each_sequence(team, y_t.rows, G * width(), [&](Index b) {
      Cell<T>::step({.units = width(),
                     .a = {gates_t.row(b), width()},
                     .u = {u.row(b), width()},
                     .gates = {gates_t.row(b), width()},
                     .h_previous = h.row(b),
                     .h = h.row(b),
                     .kept_previous = kept_previous.row(b),
                     .kept = kept_t.row(b)});
      std::copy_n(h.row(b), width(), y_t.row(b));
    });
  }

  struct Retreat {
    SequenceView<const T> y;   // [B, T, D]
    SequenceView<const T> dy;  // [B, T, D]
    SequenceView<T> gates;     // [B, T, G·D] step t in: activated gates; out: da
    SequenceView<T> kept;      // [B, T, K·D] step t as Cell::step_backward says
  };

  /// The loop backward in which the workers stay; dh and dkept are 0 before.
  PersistentBackward<T> persistent_backward(const Retreat& loop) {
    const Start start = start_of(loop.y.batch);
    return {.weight_hh = weight_hh(),
            .y = loop.y,
            .dy = loop.dy,
            .gates = loop.gates,
            .kept = loop.kept,
            .h_start = start.h,
            .kept_start = start.kept,
            .packed_weights = buffers_.packed_weights.data(),
            .du = buffers_.du.data(),
            .rounded_du = buffers_.rounded_du.data(),
            .dh = matrix_over(buffers_.dh, loop.y.batch, 1),
            .dkept = dkept_over(loop.y.batch)};
  }

  /// Calls body(loop) with the loop in which the workers stay, for the layer's factors.
  template <typename Body>
  void with_persistent_loop(const Body& body) const {
    if constexpr (std::is_same_v<T, float>) {
      if (options_.factors == Factors::kBfloat16) {
        return body(PersistentLoop<Cell<T>, Bfloat16Pair>());
      }
    }
    assert(options_.factors == Factors::kAsTheyAre);
    body(PersistentLoop<Cell<T>>());
  }

  /// The loop backward; after_step(t) may use da_t and du_t.
  template <typename AfterStep>
  void retreat_all(const ThreadTeam& team, const Retreat& loop, const AfterStep& after_step) {
    const MatrixView<T> du = matrix_over(buffers_.u, loop.y.batch, G);
    const MatrixView<T> dh = matrix_over(buffers_.dh, loop.y.batch, 1);
    for (Index t = loop.y.steps - 1; t >= 0; --t) {
      team.note_steps(1);
      retreat(team, t, loop);
      after_step(t);
      if (t > 0) gemm(team, du, weight_hh(), dh, {.accumulate = true, .factors = options_.factors});
    }
  }

  /// The pointwise part of step t backward: da_t and du_t from dh_t, and of dh_{t−1} the part that
  /// does not come through du_t.
  void retreat(const ThreadTeam& team, Index t, const Retreat& loop) {
    const Index B = loop.y.batch;
    const Start start = start_of(B);
    const MatrixView<const T> h_previous = t > 0 ? loop.y.step(t - 1) : start.h;
    const MatrixView<const T> kept_previous = t > 0 ? loop.kept.step(t - 1) : start.kept;
    const MatrixView<T> du = matrix_over(buffers_.u, B, G);
    const MatrixView<T> dh = matrix_over(buffers_.dh, B, 1);
    const MatrixView<T> dkept = dkept_over(B);
    for_each_sequence(team, B, G * width(), [&](Index b) {
      Cell<T>::step_backward({.units = width(),
                              .h = loop.y.step(t).row(b),
                              .h_previous = h_previous.row(b),
                              .dy = loop.dy.step(t).row(b),
                              .gates = {loop.gates.step(t).row(b), width()},
                              .da = {loop.gates.step(t).row(b), width()},
                              .du = {du.row(b), width()},
                              .kept = loop.kept.step(t).row(b),
                              .kept_du = loop.kept.step(t).row(b),
                              .kept_previous = kept_previous.row(b),
                              .dh = dh.row(b),
                              .dkept = dkept.row(b)});
    });
  }

  struct StepGradients {
    SequenceView<const T> x;      // [B, T, C]
    SequenceView<const T> y;      // [B, T, D]
    SequenceView<const T> gates;  // [B, T, G·D] da
    SequenceView<T> dx;           // [B, T, C] step t is assigned
  };

  /// Gradients of step t inside the loop; those of the parameters are accumulated.
  void add_step_gradients(const ThreadTeam& team, Index t, const StepGradients& step) {
    const MatrixView<const T> da = step.gates.step(t);
    const MatrixView<const T> du = matrix_over(buffers_.u, step.x.batch, G);
    const GemmOptions sum_over_batch{
        .transpose_a = true, .accumulate = true, .factors = options_.factors};
    gemm(team, da, weight_ih(step.x.width), step.dx.step(t), {.factors = options_.factors});
    gemm(team, da, step.x.step(t),
         parameters_[kWeightIh].gradient.matrix().column_block(0, step.x.width), sum_over_batch);
    if (t > 0 || !carried_.is_empty()) {  // else h_{−1} = 0
      const MatrixView<const T> h_previous = t > 0 ? step.y.step(t - 1) : start_of(step.x.batch).h;
      gemm(team, du, h_previous, parameters_[kWeightHh].gradient.matrix(), sum_over_batch);
    }
    add_column_sums(team, da, parameters_[kBiasIh].gradient.data());
    add_column_sums(team, du, parameters_[kBiasHh].gradient.data());
  }

  /// Of all steps at once, after the loop.
  void assign_gradients_of_input(const ThreadTeam& team, MatrixView<const T> x,
                                 MatrixView<const T> da, MatrixView<T> dx) {
    assign_input_gradients<T>(team, {.x = x,
                                     .da = da,
                                     .weight_ih = weight_ih(x.cols),
                                     .dx = dx,
                                     .dweight_ih = parameters_[kWeightIh].gradient.matrix(),
                                     .dbias_ih = parameters_[kBiasIh].gradient.values(),
                                     .factors = options_.factors});
  }

  struct RecurrentTensors {
    SequenceView<const T> y;  // [B, T, D]
    SequenceView<T> gates;    // [B, T, G·D] in: da; out: step 0 zeroed
    SequenceView<T> kept;     // [B, T, K·D] in: du of the gates not shared; out: step 0 zeroed
  };

  /// After those of the input.
  void assign_gradients_of_recurrence(const ThreadTeam& team, const RecurrentTensors& loop) {
    assign_recurrent_gradients<Cell<T>>(
        team, {.y = loop.y,
               .gates = loop.gates,
               .kept = loop.kept,
               .h_start = carried_.is_empty() ? MatrixView<const T>() : start_of(loop.y.batch).h,
               .dweight_hh = parameters_[kWeightHh].gradient.matrix(),
               .dbias_ih = parameters_[kBiasIh].gradient.values(),
               .dbias_hh = parameters_[kBiasHh].gradient.values(),
               .factors = options_.factors});
  }

  RecurrentOptions options_;
  std::vector<Parameter<T>> parameters_;
  RecurrentBuffers<Tensor<T>> buffers_;
  bool keeps_steps_ = false;     // reserved for training
  SequenceShape last_ = {0, 0};  // forward
  SweepCounts counts_;           // of the kernel newton
  CarriedState<T> carried_;
};

}  // namespace

std::string recurrent_form(const RecurrentOptions& options, SequenceShape shape, Pass pass,
                           int workers) {
  if (options.kernel != RecurrentKernel::kPersistent || pass == Pass::kDecode) return "";
  const LoopPlan plan = plan_loop<float>(shape.batch, options.width, workers);
  const std::string product = plan.rows == 1 ? "matrix-vector" : "register-block";
  if (plan.shares_units()) return product + " units/" + std::to_string(plan.unit_shares);
  return product + " sequences/" + std::to_string(plan.sequence_groups);
}

template <template <typename> class Cell, typename T>
std::unique_ptr<SequenceLayer<T>> make_recurrent(const RecurrentOptions& options) {
  return std::make_unique<RecurrentLayer<T, Cell>>(options);
}

template <template <typename> class Cell, typename T>
LayerCost cost_of_recurrent(const RecurrentOptions& options, SequenceShape shape, Pass pass,
                            int workers) {
  return recurrent_cost<T, Cell>(options, shape, pass, workers);
}

template <template <typename> class Cell>
double row_scratch_of_recurrent(const RecurrentOptions& options, RowCounts rows) {
  return recurrent_row_scratch<Cell<float>>(options, rows);
}

template <typename T>
std::optional<double> keeping_gate_mean(const SequenceLayer<T>& layer) {
  if (const auto* lstm = dynamic_cast<const RecurrentLayer<T, Lstm>*>(&layer)) {
    return lstm->mean_kept();
  }
  if (const auto* gru = dynamic_cast<const RecurrentLayer<T, Gru>*>(&layer)) {
    return gru->mean_kept();
  }
  return std::nullopt;
}
template std::optional<double> keeping_gate_mean(const SequenceLayer<float>&);
template std::optional<double> keeping_gate_mean(const SequenceLayer<double>&);

#define SEQBENCH_INSTANTIATE_SCALAR(Cell, T)                                                   \
  template std::unique_ptr<SequenceLayer<T>> make_recurrent<Cell, T>(const RecurrentOptions&); \
  template LayerCost cost_of_recurrent<Cell, T>(const RecurrentOptions&, SequenceShape, Pass, int);
#define SEQBENCH_INSTANTIATE(Cell)          \
  SEQBENCH_INSTANTIATE_SCALAR(Cell, float)  \
  SEQBENCH_INSTANTIATE_SCALAR(Cell, double) \
  template double row_scratch_of_recurrent<Cell>(const RecurrentOptions&, RowCounts);
SEQBENCH_INSTANTIATE(Elman)
SEQBENCH_INSTANTIATE(Lstm)
SEQBENCH_INSTANTIATE(Gru)
#undef SEQBENCH_INSTANTIATE
#undef SEQBENCH_INSTANTIATE_SCALAR

}  // namespace seqbench
