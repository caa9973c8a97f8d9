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
#include "harness/tasks/mlp_kind.h"

namespace seqbench {

struct BlockOptions {
  bool residual = false;
  Index mlp_expansion = 0;       // hidden width of the MLP ÷ D; 0: no MLP. Needs residual.
  Index taps = 0;                // of a causal convolution before the layer; 0: none
  bool shares_rows = false;      // takes inputs whose tokens share rows, where it can
  MlpKind mlp = MlpKind::kRelu;  // kIdentity needs residual and an mlp_expansion of 0
};

/// A layer norm with the statistics that its backward needs.
template <typename T>
struct NormLayer {
  Parameter<T> weight, bias;  // γ, β [D]
  Tensor<T> mean, rstd;       // [N]

  NormLayer(const std::string& name, Index width);
  void reserve(Index rows, Pass pass);
  void forward(MatrixView<const T> x, MatrixView<T> y);
  void backward(MatrixView<const T> x, MatrixView<const T> dy, MatrixView<T> dx);
};

/// y = x·Wᵀ + b.
template <typename T>
struct LinearLayer {
  Parameter<T> weight, bias;  // W [O, I], b [O]

  LinearLayer(const std::string& name, Index in, Index out);
  /// Both from U(±1/√I), as nn.Linear.
  void initialise(Random& random);
  void reserve(Pass pass);
  void forward(const ThreadTeam& team, MatrixView<const T> x, MatrixView<T> y) const;
  void backward(const ThreadTeam& team, MatrixView<const T> x, MatrixView<const T> dy,
                MatrixView<T> dx);
};

/// y[t] = b + Σ_k w[k]∘x[t − k].
template <typename T>
struct ConvolutionLayer {
  Parameter<T> weight, bias;  // w [K, D], b [D]

  ConvolutionLayer(const std::string& name, Index taps, Index width);
  /// Both from U(±1/√K), as nn.Conv1d with a group for each channel.
  void initialise(Random& random);
  void reserve(Pass pass);
  void forward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y) const;
  void backward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<const T> dy,
                SequenceView<T> dx);
};

template <typename T>
class Block {
 public:
  /// With `reversed`, which reads time backwards, the block is bidirectional.
  Block(std::unique_ptr<SequenceLayer<T>> layer, BlockOptions options,
        std::unique_ptr<SequenceLayer<T>> reversed = nullptr);

  /// The sequence layers, one or two, whose parameters are initialised apart.
  std::vector<SequenceLayer<T>*> layers();
  /// Norms to 1 and 0, linear maps as PyTorch; the layer is left as it is.
  void initialise_rest(Random& random);
  void append_parameters(std::vector<Parameter<T>*>& parameters);

  /// Allocates for Pass::kForward or kTrain with up to this shape; the meanings are
  /// SequenceLayer's.
  void reserve(SequenceShape shape, Pass pass, int workers);
  void forward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y, Keep keep);
  /// Assigns dx and all gradients. dy is overwritten and must not overlap dx.
  void backward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<const T> y,
                SequenceView<T> dy, SequenceView<T> dx);

  /// Whether the following two are there: in residual blocks.
  bool gives_rows() const { return options_.residual; }
  /// As forward and backward, at A tokens alone: `rows` among the B·T, ascending. y [A, D] is
  /// assigned.
  void forward_at(const ThreadTeam& team, SequenceView<const T> x, std::span<const Index> rows,
                  MatrixView<T> y, Keep keep);
  /// Assigns dx. dy [A, D] is overwritten.
  void backward_at(const ThreadTeam& team, SequenceView<const T> x, std::span<const Index> rows,
                   MatrixView<T> dy, SequenceView<T> dx);

  /// Whether the following two may be called: on request, in causal blocks without taps, of some
  /// layers.
  bool takes_shared_rows() const;
  /// As forward and backward, of an input whose tokens share rows (core/sequence_layer.h). dtable
  /// [U, D] is assigned.
  void forward_shared(const ThreadTeam& team, const SharedRows<T>& x, SequenceView<T> y, Keep keep);
  void backward_shared(const ThreadTeam& team, const SharedRows<T>& x, SequenceView<const T> y,
                       SequenceView<T> dy, MatrixView<T> dtable);

 private:
  /// Scratch of the layer for an output at these tokens alone; 0: it has to give all.
  Index row_scratch(SequenceShape shape, Index count) const;
  void mix(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y, Keep keep);
  void mix_backward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<const T> y,
                    SequenceView<const T> dy, SequenceView<T> dx);
  void read(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y, Keep keep);
  void read_backward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<const T> y,
                     SequenceView<const T> dy, SequenceView<T> dx);
  bool has_mlp() const { return options_.mlp_expansion > 0; }
  /// Whether y is more than r.
  bool has_second_norm() const { return has_mlp() || options_.mlp == MlpKind::kIdentity; }
  void mlp_forward(const ThreadTeam& team, MatrixView<const T> r, MatrixView<T> y);
  void mlp_backward(const ThreadTeam& team, MatrixView<const T> r, MatrixView<T> dy);

  std::unique_ptr<SequenceLayer<T>> layer_;
  std::unique_ptr<SequenceLayer<T>> reversed_;  // null: one direction
  BlockOptions options_;
  NormLayer<T> norm1_, norm2_;
  LinearLayer<T> linear1_, linear2_;
  ConvolutionLayer<T> convolution_;
  Tensor<T> convolved_;            // the layer's input behind a convolution [N, D]
  Tensor<T> dconvolved_;           // [N, D]
  Tensor<T> one_way_, other_way_;  // what either layer of a bidirectional block says [N, D]
  Tensor<T> dother_way_;           // of x by the reversed layer [N, D]
  Tensor<T> normed1_;              // LN₁(x) [N, D]
  Tensor<T> mixed_;                // L(LN₁(x)) [N, D]
  Tensor<T> residual_;             // r [N, D]
  Tensor<T> normed2_;              // LN₂(r) [N, D]
  Tensor<T> before_gelu_;          // W₁·LN₂(r) + b₁, which gelu's backward needs [N, 4D]
  Tensor<T> hidden_;               // φ(…) [N, 4D]
  Tensor<T> dhidden_;              // [N, 4D]
  Tensor<T> dnormed_;              // of either norm's output, then of its input [N, D]
  Tensor<T> row_scratch_;          // the layer's, for an output at some tokens alone
  Tensor<T> shared_scratch_;       // the layer's, for each of at most N shared rows
};

}  // namespace seqbench
