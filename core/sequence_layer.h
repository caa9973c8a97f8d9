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

#include <cassert>
#include <span>
#include <string>

#include "core/embedding.h"
#include "core/packed_gemm.h"
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

/// An input [B, T, D] whose tokens share rows, as those of one word do: token i of the B·T is row
/// rows[i] of the table.
template <typename T>
struct SharedRows {
  MatrixView<const T> table;    // [U, D]
  std::span<const Token> rows;  // [B·T], each in [0, U)
};

/// A trainable tensor under PyTorch's name; the gradient has the value's shape and is empty until
/// a layer is reserved for Pass::kTrain.
template <typename T>
struct Parameter {
  std::string name;
  Tensor<T> value;
  Tensor<T> gradient;
};

/// What a layer declares before anything is allocated. Doubles, since a request too large for the
/// machine must be computed without overflow to be refused.
struct LayerCost {
  double flops = 0;        // one pass over [B, T, D] by the convention of docs/architecture.md:
                           // train = 3 × forward, whatever a kernel recomputes; decode: the one
                           // token
  double parameters = 0;   // trainable scalars
  double state_bytes = 0;  // carried from token to token in decode
  double workspace_bytes = 0;  // what reserve() allocates, gradients included, parameters not
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
  /// Recurrent layers take an x [B, T, C] or shared rows [U, C] of fewer channels too, with 0 in
  /// those that are not there, at the cost of C; dx or dtable is as narrow.
  virtual void forward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y,
                       Keep keep) = 0;

  /// Backward of the last forward with Keep::kForBackward; x and y as they were there. Assigns (not
  /// accumulates) dx [B, T, D] and the gradient of every parameter; dx must not overlap dy.
  virtual void backward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<const T> y,
                        SequenceView<const T> dy, SequenceView<T> dx) = 0;

  /// Elements of scratch that the following two take for each of the U rows; 0: there is neither.
  virtual Index shared_row_scratch() const { return 0; }

  /// As forward and backward, at the cost of U rows instead of B·T where every token alone decides
  /// what is computed. dtable [U, D], assigned, is the gradient of the table. scratch is
  /// [U, shared_row_scratch()].
  virtual void forward_shared(const ThreadTeam& /*team*/, const SharedRows<T>& /*x*/,
                              MatrixView<T> /*scratch*/, SequenceView<T> /*y*/, Keep /*keep*/) {
    assert(false);
  }
  virtual void backward_shared(const ThreadTeam& /*team*/, const SharedRows<T>& /*x*/,
                               MatrixView<T> /*scratch*/, SequenceView<const T> /*y*/,
                               SequenceView<const T> /*dy*/, MatrixView<T> /*dtable*/) {
    assert(false);
  }

  /// Elements of scratch that the following two take for `count` of the tokens of this shape; 0:
  /// there is neither, or forward and backward are the better way to so many.
  virtual Index row_scratch(SequenceShape /*shape*/, Index /*count*/) const { return 0; }

  /// As forward and backward of an output that is wanted at A tokens alone: y and dy are [A, D] of
  /// the tokens `rows`, ascending among the B·T. scratch goes unchanged from one to the other.
  virtual void forward_at(const ThreadTeam& /*team*/, SequenceView<const T> /*x*/,
                          std::span<const Index> /*rows*/, T* /*scratch*/, MatrixView<T> /*y*/) {
    assert(false);
  }
  virtual void backward_at(const ThreadTeam& /*team*/, SequenceView<const T> /*x*/,
                           std::span<const Index> /*rows*/, T* /*scratch*/,
                           MatrixView<const T> /*dy*/, SequenceView<T> /*dx*/) {
    assert(false);
  }

  /// Starts a context: forgets the old one, reads x [B, T, D] and assigns y like forward.
  virtual void prefill(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y) = 0;

  /// Appends one token to each sequence: x [B, D] to y [B, D].
  virtual void decode(const ThreadTeam& team, MatrixView<const T> x, MatrixView<T> y) = 0;

  /// Shortens the context to its first `steps` tokens where the state allows it (a KV cache does; a
  /// recurrent state stays as it is), so that a decode of constant cost can be timed repeatedly.
  virtual void rewind(Index steps) = 0;
};

}  // namespace seqbench
