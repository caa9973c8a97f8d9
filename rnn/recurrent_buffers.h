// The memory of a recurrent layer: one list of shapes from which parameters and workspace are both
// allocated and declared.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "core/buffers.h"
#include "core/rounded_linear.h"
#include "core/sequence_layer.h"
#include "rnn/newton_loop.h"
#include "rnn/persistent_loop.h"
#include "rnn/recurrent_options.h"

namespace seqbench {

/// Workspace, as core/buffers.h says. G gates and K kept vectors of D elements as rnn/cell.h
/// defines them; S is T where all steps are needed at once, else 1.
template <typename Buffer>
struct RecurrentBuffers {
  Buffer h;      // [B, D] h_{t−1}, then h_t: contiguous, where a step of y has rows T·D apart
  Buffer zeros;  // [B, D] h_{−1} and kept_{−1}
  Buffer gates;  // [B, S, G·D] W_ih·x + b_ih, then activated gates, then da
  Buffer u;      // [B, G·D] W_hh·h_{t−1} + b_hh of the current step, then du
  Buffer kept;   // [B, S, K·D]
  Buffer dh;     // [B, D] train: gradient of h that comes from the step after
  Buffer dkept;  // [B, D] train: the same of the second state
  Buffer packed_weights;  // persistent, and newton where it gives a window up: as this and the
                          // next in rnn/persistent_loop.h;
  Buffer packed_bias;     // h, u and du have the shapes that it says
  Buffer du;
  Buffer rounded_h;  // persistent in bfloat16, as this and the next there
  Buffer rounded_du;
  Buffer packed_inputs;  // persistent where its loop multiplies the input, as LoopInput there says
  Buffer packed_input_bias;
  Buffer products;
  Buffer rounded_x;
  Buffer input_panels;   // decode in bfloat16, core/rounded_linear.h: W_ih, W_hh, a row of each
  Buffer hidden_panels;  // sequence
  Buffer rounded_rows;
  Buffer panels;  // newton alone, as this and the following in rnn/newton_loop.h
  Buffer panel_bias;
  Buffer diagonal;
  Buffer window_states;
  Buffer window_gates;
  Buffer window_kept;
  Buffer window_du;
  Buffer carries;
  Buffer marks;
  Buffer given_up;

  std::array<Buffer*, 29> buffers() {
    return {&h,
            &zeros,
            &gates,
            &u,
            &kept,
            &dh,
            &dkept,
            &packed_weights,
            &packed_bias,
            &du,
            &rounded_h,
            &rounded_du,
            &packed_inputs,
            &packed_input_bias,
            &products,
            &rounded_x,
            &input_panels,
            &hidden_panels,
            &rounded_rows,
            &panels,
            &panel_bias,
            &diagonal,
            &window_states,
            &window_gates,
            &window_kept,
            &window_du,
            &carries,
            &marks,
            &given_up};
  }
};

/// Whether `persistent` multiplies its input in the loop and not before it: in inference, which has
/// no other use for the products, where no workers share the units, of which there may be fewer
/// shares than workers, and where core/packed_gemm.h would form the same sums. Channels are x's.
template <typename T>
bool multiplies_input_in_loop(const RecurrentOptions& options, Index gates, SequenceShape shape,
                              Index channels, int workers) {
  if (options.kernel != RecurrentKernel::kPersistent) return false;
  if (plan_loop<T>(shape.batch, options.width, workers).shares_units()) return false;
  return options.factors == Factors::kBfloat16 ||
         worth_packing(shape.batch * shape.steps, gates * options.width, channels);
}

/// What a pass uses of them. C is a cell of rnn/cell.h.
template <typename C>
RecurrentBuffers<BufferShape> recurrent_workspace(const RecurrentOptions& options,
                                                  SequenceShape shape, Pass pass, int workers) {
  using T = typename C::Scalar;
  const Index B = shape.batch, D = options.width;
  const bool train = pass == Pass::kTrain, decode = pass == Pass::kDecode;
  const bool hoists = !decode && options.kernel != RecurrentKernel::kStepwise;
  RecurrentBuffers<BufferShape> workspace;
  workspace.h = workspace.zeros = {B, D};
  workspace.gates = {B, train || hoists ? shape.steps : 1, C::kGates * D};
  workspace.u = {B, C::kGates * D};
  if (C::kKept > 0) workspace.kept = {B, train ? shape.steps : 1, C::kKept * D};
  if (train) workspace.dh = {B, D};
  if (train && C::kCarriesKept) workspace.dkept = {B, D};
  if (decode && options.factors == Factors::kBfloat16) {
    workspace.input_panels = rounded_weight_shape(C::kGates * D, D);
    workspace.hidden_panels = workspace.input_panels;
    workspace.rounded_rows = rounded_rows_shape(B, D);
  }
  const bool sweeps = options.kernel == RecurrentKernel::kNewton;
  if (decode || !(sweeps || options.kernel == RecurrentKernel::kPersistent)) return workspace;

  const LoopPlan plan = plan_loop<T>(B, D, workers);
  const Index columns = UnitCut<T>{.width = D}.columns();
  workspace.packed_weights = {C::kGates * D, columns};
  workspace.packed_bias = {C::kGates * columns};
  workspace.h = {2, B, state_stride<T>(D)};
  if (options.factors == Factors::kBfloat16) {
    const Index pairs = elements_of_depth<Bfloat16Pair>(D);
    workspace.packed_weights = {C::kGates * pairs, columns};
    workspace.rounded_h = {2, B, state_stride<T>(pairs)};
    if (train) workspace.rounded_du = {2, B, state_stride<T>(C::kGates * pairs)};
  }
  workspace.u = {plan.unit_shares, B, forward_block_columns<C>()};
  if (train) workspace.du = {2, B, state_stride<T>(C::kGates * D)};
  if (!sweeps && !train) {
    workspace.packed_inputs = workspace.packed_weights;
    workspace.packed_input_bias = workspace.packed_bias;
    const Index sequences = std::min(B, kMostLoopRows);
    const Index rows = std::min(B * shape.steps, window_rows<T>(sequences, C::kGates * columns));
    workspace.products = {workers, rows, C::kGates * columns};
    if (options.factors == Factors::kBfloat16) {
      workspace.rounded_x = {workers, rows, state_stride<T>(elements_of_depth<Bfloat16Pair>(D))};
    }
  }
  if (!sweeps) return workspace;

  const Index W = std::min(options.newton.window, shape.steps);
  workspace.panels = {C::kGates * D, columns};
  workspace.panel_bias = {C::kGates * columns};
  workspace.diagonal = {C::kGates * D};
  workspace.window_states = {2, B, W + 1, state_stride<T>(D)};
  workspace.marks = {newton_marks<C>(B, D)};
  workspace.given_up = {parts_in(shape.steps, options.newton.window)};
  if (!train && C::kKept > 0) workspace.window_kept = {B, W, C::kKept * D};
  if (!train) return workspace;
  workspace.window_gates = {B, W, C::kGates * D};
  workspace.window_du = {2, B, W, state_stride<T>(C::kGates * D)};
  workspace.carries = {4, B, D};
  return workspace;
}

/// Elements that a pass whose tokens share so many rows keeps W_ih·x + b_ih of, and then the sums
/// of da; 0 where there is no such pass: of other kernels, or of an output at some tokens alone.
template <typename C>
double recurrent_row_scratch(const RecurrentOptions& options, RowCounts rows) {
  if (options.kernel != RecurrentKernel::kPersistent || rows.wanted > 0) return 0;
  if (options.factors == Factors::kBfloat16) return 0;
  return double(rows.shared) * double(C::kGates) * double(options.width);
}

/// PyTorch's names and order.
inline std::vector<ParameterShape> recurrent_parameters(Index gates, Index width) {
  const Index GD = gates * width;
  return {{"weight_ih_l0", {GD, width}},
          {"weight_hh_l0", {GD, width}},
          {"bias_ih_l0", {GD}},
          {"bias_hh_l0", {GD}}};
}

/// flops: 4·G·B·T·D², thrice for training; for decode one token of each sequence.
template <typename T, template <typename> class Cell>
LayerCost recurrent_cost(const RecurrentOptions& options, SequenceShape shape, Pass pass,
                         int workers) {
  using C = Cell<T>;
  const double B = double(shape.batch), D = double(options.width);
  const double tokens = pass == Pass::kDecode ? B : B * double(shape.steps);
  LayerCost cost;
  cost.flops = (pass == Pass::kTrain ? 3 : 1) * 4 * double(C::kGates) * tokens * D * D;
  for (const auto& parameter : recurrent_parameters(C::kGates, options.width)) {
    cost.parameters += element_count(parameter.shape);
    // Its gradient.
    if (pass == Pass::kTrain) cost.workspace_bytes += allocated_bytes<T>(parameter.shape);
  }
  cost.state_bytes = (C::kCarriesKept ? 2 : 1) * B * D * sizeof(T);
  cost.workspace_bytes += allocated_bytes<T>(recurrent_workspace<C>(options, shape, pass, workers));
  return cost;
}

}  // namespace seqbench
