// What attention and the recurrent layers have in common: [B, T, D] in, [B, T, D] out.
//
// The harness, the models of the recall tasks and every comparison see a contender only through
// this interface. Order of calls:
//
//   layer.reserve(shape, Pass::kTrain, team.size());      // the only place that allocates
//   layer.forward(team, x, y, Keep::kForBackward);
//   layer.backward(team, x, y, dy, dx);                   // assigns dx and every gradient
//
//   layer.reserve(shape, Pass::kDecode, team.size());     // shape.steps = longest context
//   layer.prefill(team, context, y);                      // [B, T, D], any T ≤ shape.steps
//   layer.decode(team, x_t, y_t);                         // one more token, [B, D]
#pragma once

#include <algorithm>
#include <cassert>
#include <span>
#include <stdexcept>

#include "core/embedding.h"
#include "core/packed_gemm.h"
#include "core/parameter.h"
#include "core/random.h"
#include "core/tensor.h"
#include "core/thread_team.h"

namespace seqbench {

enum class Pass {
  kForward,  // inference: y only
  kTrain,    // forward that keeps what backward needs, then backward to dx and all gradients
  kDecode,   // one token after `steps` tokens of context
};

enum class Keep { kNothing, kForBackward };

struct SequenceShape {
  Index batch = 1;  // B
  Index steps = 1;  // T
};

/// How many rows a pass has where its tokens and its rows are not the same. 0: they are.
struct RowCounts {
  Index shared = 0;  // U rows of the input, which tokens share
  Index wanted = 0;  // A tokens whose output is wanted
};

/// A pass whose input or output has fewer rows than tokens: tokens of one word share a row of the
/// input, or the output is wanted at some tokens alone. Token i is one of the B·T.
template <typename T>
struct RowPass {
  SequenceShape shape;            // B, T
  std::span<const Token> shared;  // [B·T] the row of x that token i is; empty: row i
  std::span<const Index> wanted;  // [A] tokens, ascending: the rows of y; empty: all
  MatrixView<const T> x;          // [U, C] or [B·T, C]
  MatrixView<T> y;                // [A, D] or [B·T, D]: assigned; in backward as forward left it
  T* scratch;                     // row_scratch() elements; unchanged from forward to backward

  RowCounts counts() const {
    return {.shared = shared.empty() ? 0 : x.rows, .wanted = Index(wanted.size())};
  }
};

/// Where the sequences of a pass start and how they end, for layers that carry a state of S vectors
/// along; a row is one sequence's. Empty: they start from 0.
template <typename T>
struct CarriedState {
  MatrixView<const T> before;  // [B, S·D] the state before the first step
  MatrixView<T> after;         // [B, S·D] assigned the state after the last step; not `before`

  bool is_empty() const { return before.data == nullptr; }
  /// Of some neighbouring sequences.
  CarriedState rows(Index first, Index count) const {
    if (is_empty()) return {};
    return {before.row_block(first, count), after.row_block(first, count)};
  }
  /// Of some of the vectors: columns [first, first + count).
  CarriedState columns(Index first, Index count) const {
    if (is_empty()) return {};
    return {before.column_block(first, count), after.column_block(first, count)};
  }
};

/// What a layer declares before anything is allocated. Doubles, since a request too large for the
/// machine must be computed without overflow to be refused.
struct LayerCost {
  double flops = 0;        // one pass over [B, T, D], docs/architecture.md: train = 3 × forward,
                           // whatever a kernel recomputes; decode: the one token
  double parameters = 0;   // trainable scalars
  double state_bytes = 0;  // carried from token to token in decode
  double workspace_bytes = 0;  // what reserve() allocates, gradients included, parameters not
};

/// How the last pass got on of a layer that solves its time loop by sweeps over all steps of a
/// window at once (rnn/newton_loop.h), forward and, of training, backward too. No windows: it has
/// no such loop.
struct SweepCounts {
  Index window = 0;           // steps
  Index windows = 0;          // of either direction
  Index fallbacks = 0;        // of these, run step by step
  Index sweeps = 0;           // of all windows, those of windows given up included
  Index least = 0, most = 0;  // of the windows that sweeps solved
  double residual = 0;        // of these, the largest change that a last sweep still made

  double fallback_share() const { return windows == 0 ? 0 : double(fallbacks) / double(windows); }
  double mean_sweeps() const { return windows == 0 ? 0 : double(sweeps) / double(windows); }

  void count(Index of_window, bool is_done, double change) {
    sweeps += of_window;
    if (!is_done) {
      ++fallbacks;
      return;
    }
    least = most == 0 ? of_window : std::min(least, of_window);
    most = std::max(most, of_window);
    residual = std::max(residual, change);
  }
  void add(const SweepCounts& other) {
    window = other.window;
    windows += other.windows;
    fallbacks += other.fallbacks;
    sweeps += other.sweeps;
    if (other.most > 0) least = most == 0 ? other.least : std::min(least, other.least);
    most = std::max(most, other.most);
    residual = std::max(residual, other.residual);
  }
};

template <typename T>
class SequenceLayer {
 public:
  /// Allocates what the calling thread's products need, once for all layers.
  SequenceLayer() { reserve_panels<T>(); }
  SequenceLayer(const SequenceLayer&) = delete;
  SequenceLayer& operator=(const SequenceLayer&) = delete;
  virtual ~SequenceLayer() = default;

  /// D, the width of input and output.
  virtual Index width() const = 0;

  /// Whether forward and forward_rows take inputs of fewer channels than D.
  virtual bool takes_narrow_input() const { return false; }

  /// In PyTorch's order; a new layer's are zero.
  virtual std::span<Parameter<T>> parameters() = 0;

  /// Draws all parameters as the constructor of PyTorch's layer does.
  virtual void initialise(Random& random) = 0;

  /// The declared cost of `pass` with `workers` threads; workspace_bytes equals what reserve()
  /// with the same arguments allocates.
  virtual LayerCost cost(SequenceShape shape, Pass pass, int workers) const = 0;

  /// Allocates all that `pass` needs for up to this shape and this many workers, releasing what an
  /// earlier call allocated. Throws std::bad_alloc.
  virtual void reserve(SequenceShape shape, Pass pass, int workers) = 0;

  /// Assigns y [B, T, D] from x [B, T, D]; they must not overlap. B and T at most as reserved.
  /// Layers that take narrow inputs (takes_narrow_input()) take an x [B, T, C] of fewer channels
  /// too, with 0 in those that are not there, at the cost of C; dx is as narrow.
  virtual void forward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y,
                       Keep keep) = 0;

  /// Backward of the last forward with Keep::kForBackward; x and y as they were there. Assigns (not
  /// accumulates) dx [B, T, D] and the gradient of every parameter; dx must not overlap dy.
  virtual void backward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<const T> y,
                        SequenceView<const T> dy, SequenceView<T> dx) = 0;

  /// Elements of scratch that the following two take for a pass with so many rows; 0: the layer has
  /// no such pass, or forward and backward are the better way to it. A double, as in LayerCost.
  virtual double row_scratch(SequenceShape /*shape*/, RowCounts /*rows*/) const { return 0; }

  /// As forward and backward, at the cost of the rows that there are. dy has the rows of y, dx,
  /// assigned, those of x: of a shared row the sum over its tokens. Throws std::logic_error for a
  /// pass without scratch.
  virtual void forward_rows(const ThreadTeam& /*team*/, const RowPass<T>& /*pass*/, Keep /*keep*/) {
    refuse_rows();
  }
  virtual void backward_rows(const ThreadTeam& /*team*/, const RowPass<T>& /*pass*/,
                             MatrixView<const T> /*dy*/, MatrixView<T> /*dx*/) {
    refuse_rows();
  }

  /// S, the vectors of D elements that a pass can take over from the segment before it: h, of an
  /// LSTM h and c. 0: the layer starts every pass from nothing.
  virtual Index carried_vectors() const { return 0; }

  /// From now on forward and forward_rows start from `state`, which backward reads too: not between
  /// one and the other. Its gradient ends there (truncated backpropagation through time: Williams &
  /// Peng 1990), parameters get theirs of all steps. Throws std::logic_error for a state, of a
  /// layer that carries none.
  virtual void carry(const CarriedState<T>& state) {
    if (!state.is_empty()) throw std::logic_error("this layer carries no state: it has no vectors");
  }

  /// Starts a context: forgets the old one, reads x [B, T, D] and assigns y like forward.
  virtual void prefill(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y) = 0;

  /// Appends one token to each sequence: x [B, D] to y [B, D].
  virtual void decode(const ThreadTeam& team, MatrixView<const T> x, MatrixView<T> y) = 0;

  /// Shortens the context to its first `steps` tokens where the state allows it (a KV cache does; a
  /// recurrent state stays as it is), so that a decode of constant cost can be timed repeatedly.
  virtual void rewind(Index steps) = 0;

  /// Of the last forward and, behind it, backward.
  virtual SweepCounts sweep_counts() const { return {}; }

 protected:
  [[noreturn]] static void refuse_rows() {
    throw std::logic_error("this layer has no pass over such rows: its row_scratch() is 0");
  }
};

}  // namespace seqbench
