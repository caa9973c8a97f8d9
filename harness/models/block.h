// One block of a sequence model: a sequence layer, bare or in a Transformer's pre-norm residual
// form (Xiong et al. 2020, fig. 1b; nn.TransformerEncoderLayer with norm_first, dropout of
// attention's weights alone):
//
//   bare       y = L(x)
//   residual   r = x + L(LN₁(x))
//              y = r + W₂·φ(W₁·LN₂(r) + b₁) + b₂      φ = relu or gelu
//              y = r                                  without an MLP
//              y = r + LN₂(r)                         where the identity takes its place
//
// A bidirectional L is the sum of two layers, the second in reversed time (core/reversed_layer.h).
// With taps, L is the layer behind a causal convolution of so many steps (Arora et al. 2024).
#pragma once

#include <memory>
#include <vector>

#include "core/sequence_layer.h"
#include "harness/models/convolution_layer.h"
#include "harness/models/linear_layer.h"
#include "harness/models/norm_layer.h"
#include "harness/models/registry.h"
#include "harness/tasks/model_form.h"

namespace seqbench {

struct BlockSpec {
  LayerSpec layer;
  ModelForm form;              // residual, mlp_expansion and mlp are the block's
  Index taps = 0;              // of a causal convolution before the layer; 0: none
  bool bidirectional = false;  // a second layer reads time backwards
  Index shared_rows = 0;       // most rows that the tokens of the input share; 0: they share none
  bool at_answers = false;     // the output is wanted at the answers alone

  bool has_mlp() const { return form.mlp_expansion > 0; }
  /// Whether y is more than r.
  bool has_second_norm() const { return has_mlp() || form.mlp == MlpKind::kIdentity; }
};

/// Memory of a block beside its layers and parameters, as core/buffers.h says. N = B·T tokens, A
/// answers, E the MLP's width.
template <typename Buffer>
struct BlockBuffers {
  Buffer convolved, dconvolved;       // the layer's input behind a convolution [N, D]
  Buffer one_way, other_way;          // what either layer of a bidirectional block says [N, D]
  Buffer dother_way;                  // of x by the reversed layer [N, D]
  Buffer mean1, rstd1, mean2, rstd2;  // of either norm [N]
  Buffer normed1;                     // LN₁(x) [N, D]
  Buffer mixed;                       // L(LN₁(x)) [N, D]
  Buffer residual;                    // r [N, D]
  Buffer normed2;                     // LN₂(r) [N, D]
  Buffer before_gelu;                 // W₁·LN₂(r) + b₁, which gelu's backward needs [N, E]
  Buffer hidden, dhidden;             // φ(…) [N, E]
  Buffer dnormed;                     // of either norm's output, then of its input [N, D]
  Buffer row_scratch;                 // of the layer's pass over other rows than tokens

  std::vector<Buffer*> buffers() {
    return {&convolved, &dconvolved,  &one_way, &other_way, &dother_way, &mean1,
            &rstd1,     &mean2,       &rstd2,   &normed1,   &mixed,      &residual,
            &normed2,   &before_gelu, &hidden,  &dhidden,   &dnormed,    &row_scratch};
  }
};

/// What a block needs to train on batches of up to this shape with up to `answers` answers.
BlockBuffers<BufferShape> block_buffers(const BlockSpec& spec, SequenceShape shape, Index answers);

/// Its parameters beside those of its layers, in the order of append_parameters().
std::vector<ParameterShape> block_parameters(const BlockSpec& spec);

template <typename T>
class Block {
 public:
  /// Throws std::invalid_argument as make_layer().
  explicit Block(const BlockSpec& spec);

  /// The sequence layers, one or two, whose parameters are initialised apart.
  std::vector<SequenceLayer<T>*> layers();
  /// Norms to 1 and 0, linear maps as PyTorch; the layer is left as it is.
  void initialise_rest(Random& random);
  void append_parameters(std::vector<Parameter<T>*>& parameters);

  /// Allocates for training on batches of up to this shape with up to `answers` answers.
  void reserve(SequenceShape shape, Index answers, int workers);
  /// Meanings are SequenceLayer's.
  void forward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y, Keep keep);
  /// Assigns dx and all gradients. dy is overwritten and must not overlap dx.
  void backward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<const T> y,
                SequenceView<T> dy, SequenceView<T> dx);

  /// Whether it can read a context and append to it: a block in one direction whose layer stands
  /// without a convolution.
  bool can_decode() const { return spec_.taps == 0 && !spec_.bidirectional; }
  /// Allocates for contexts of up to this shape in its place.
  void reserve_decode(SequenceShape shape, int workers);
  /// Meanings are SequenceLayer's.
  void prefill(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y);
  void decode(const ThreadTeam& team, MatrixView<const T> x, MatrixView<T> y);
  void rewind(Index steps) { layer_->rewind(steps); }

  /// Numbers of a sequence that a pass can take over from the segment before it: the layer's state;
  /// 0: none, or more would be needed than that. Meaning of the second as SequenceLayer's.
  Index carried_width() const {
    return can_decode() ? layer_->carried_vectors() * layer_->width() : 0;
  }
  void carry(const CarriedState<T>& state) { layer_->carry(state); }

  /// Whether forward_rows is the way to an output at the answers alone: in residual blocks that
  /// were made for it.
  bool gives_answers() const { return spec_.at_answers && spec_.form.residual; }
  /// Whether it takes an input whose tokens share rows: in causal blocks without taps that were
  /// made for it, of layers that do.
  bool takes_shared_rows() const;
  /// As SequenceLayer's: `pass` has either shared rows or wanted tokens, and its scratch is not
  /// looked at, since the block has its own.
  void forward_rows(const ThreadTeam& team, const RowPass<T>& pass, Keep keep);
  /// Assigns dx, of a shared row the sum over its tokens. dy, in the rows of y, is overwritten.
  void backward_rows(const ThreadTeam& team, const RowPass<T>& pass, MatrixView<T> dy,
                     MatrixView<T> dx);

 private:
  /// y from x with `mix` in the place of L.
  template <typename Mix>
  void forward_around(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y,
                      const Mix& mix);
  void mix(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y, Keep keep);
  void mix_backward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<const T> y,
                    SequenceView<const T> dy, SequenceView<T> dx);
  void apply_layers(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y, Keep keep);
  void apply_layers_backward(const ThreadTeam& team, SequenceView<const T> x,
                             SequenceView<const T> y, SequenceView<const T> dy, SequenceView<T> dx);
  /// The pass over the layer's own input and output rows, with the block's scratch.
  RowPass<T> layer_pass(const RowPass<T>& pass, MatrixView<const T> x, MatrixView<T> y);
  bool layer_takes(const RowPass<T>& pass) const;
  void mlp_forward(const ThreadTeam& team, MatrixView<const T> r, MatrixView<T> y);
  void mlp_backward(const ThreadTeam& team, MatrixView<const T> r, MatrixView<T> dy);

  BlockSpec spec_;
  std::unique_ptr<SequenceLayer<T>> layer_;
  std::unique_ptr<SequenceLayer<T>> reversed_;  // null: one direction
  NormLayer<T> norm1_, norm2_;
  LinearLayer<T> linear1_, linear2_;
  ConvolutionLayer<T> convolution_;
  BlockBuffers<Tensor<T>> buffers_;
};

}  // namespace seqbench
