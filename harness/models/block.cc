#include "harness/models/block.h"

#include "core/causal_convolution.h"
#include "core/gelu.h"
#include "core/initialisers.h"
#include "core/layer_norm.h"
#include "core/linear.h"
#include "core/relu.h"

namespace seqbench {
namespace {

template <typename T>
Parameter<T> make_parameter(const std::string& name, std::vector<Index> shape) {
  return {.name = name, .value = Tensor<T>(std::move(shape)), .gradient = {}};
}

template <typename T>
void reserve_gradient(Parameter<T>& parameter, Pass pass) {
  parameter.gradient = pass == Pass::kTrain ? Tensor<T>(parameter.value.shape()) : Tensor<T>();
}

/// The first rows of a tensor that was reserved for as many or more.
template <typename T>
MatrixView<T> rows_of(Tensor<T>& tensor, Index rows) {
  return tensor.matrix().row_block(0, rows);
}

template <typename T>
std::span<T> elements(MatrixView<T> compact) {
  assert(compact.stride == compact.cols);
  return {compact.data, static_cast<std::size_t>(compact.rows * compact.cols)};
}

}  // namespace

template <typename T>
NormLayer<T>::NormLayer(const std::string& name, Index width)
    : weight(make_parameter<T>(name + ".weight", {width})),
      bias(make_parameter<T>(name + ".bias", {width})) {
  std::ranges::fill(weight.value.values(), T(1));
}

template <typename T>
void NormLayer<T>::reserve(Index rows, Pass pass) {
  reserve_gradient(weight, pass);
  reserve_gradient(bias, pass);
  mean = Tensor<T>({rows});
  rstd = Tensor<T>({rows});
}

template <typename T>
void NormLayer<T>::forward(MatrixView<const T> x, MatrixView<T> y) {
  layer_norm_forward<T>({.x = x,
                         .weight = weight.value.values(),
                         .bias = bias.value.values(),
                         .y = y,
                         .mean = mean.values(),
                         .rstd = rstd.values()});
}

template <typename T>
void NormLayer<T>::backward(MatrixView<const T> x, MatrixView<const T> dy, MatrixView<T> dx) {
  layer_norm_backward<T>({.x = x,
                          .weight = weight.value.values(),
                          .mean = mean.values(),
                          .rstd = rstd.values(),
                          .dy = dy,
                          .dx = dx,
                          .dweight = weight.gradient.values(),
                          .dbias = bias.gradient.values()});
}

template <typename T>
LinearLayer<T>::LinearLayer(const std::string& name, Index in, Index out)
    : weight(make_parameter<T>(name + ".weight", {out, in})),
      bias(make_parameter<T>(name + ".bias", {out})) {}

template <typename T>
void LinearLayer<T>::initialise(Random& random) {
  const Index fan_in = weight.value.shape()[1];
  uniform_by_fan_in(random, weight.value, fan_in);
  uniform_by_fan_in(random, bias.value, fan_in);
}

template <typename T>
void LinearLayer<T>::reserve(Pass pass) {
  reserve_gradient(weight, pass);
  reserve_gradient(bias, pass);
}

template <typename T>
void LinearLayer<T>::forward(const ThreadTeam& team, MatrixView<const T> x, MatrixView<T> y) const {
  linear_forward<T>(
      team,
      {.x = x, .weight = weight.value.matrix(), .bias = bias.value.values(), .y = as_one_block(y)});
}

template <typename T>
void LinearLayer<T>::backward(const ThreadTeam& team, MatrixView<const T> x, MatrixView<const T> dy,
                              MatrixView<T> dx) {
  linear_backward<T>(team, {.x = x,
                            .weight = weight.value.matrix(),
                            .dy = dy,
                            .dx = as_one_block(dx),
                            .dweight = weight.gradient.matrix(),
                            .dbias = bias.gradient.values()});
}

template <typename T>
ConvolutionLayer<T>::ConvolutionLayer(const std::string& name, Index taps, Index width)
    : weight(make_parameter<T>(name + ".weight", {taps, width})),
      bias(make_parameter<T>(name + ".bias", {width})) {}

template <typename T>
void ConvolutionLayer<T>::initialise(Random& random) {
  const Index fan_in = weight.value.shape()[0];
  uniform_by_fan_in(random, weight.value, fan_in);
  uniform_by_fan_in(random, bias.value, fan_in);
}

template <typename T>
void ConvolutionLayer<T>::reserve(Pass pass) {
  reserve_gradient(weight, pass);
  reserve_gradient(bias, pass);
}

template <typename T>
void ConvolutionLayer<T>::forward(const ThreadTeam& team, SequenceView<const T> x,
                                  SequenceView<T> y) const {
  causal_convolution_forward<T>(
      team, {.x = x, .weight = weight.value.matrix(), .bias = bias.value.values(), .y = y});
}

template <typename T>
void ConvolutionLayer<T>::backward(const ThreadTeam& team, SequenceView<const T> x,
                                   SequenceView<const T> dy, SequenceView<T> dx) {
  causal_convolution_backward<T>(team, {.x = x,
                                        .weight = weight.value.matrix(),
                                        .dy = dy,
                                        .dx = dx,
                                        .dweight = weight.gradient.matrix(),
                                        .dbias = bias.gradient.values()});
}

template <typename T>
Block<T>::Block(std::unique_ptr<SequenceLayer<T>> layer, BlockOptions options,
                std::unique_ptr<SequenceLayer<T>> reversed)
    : layer_(std::move(layer)),
      reversed_(std::move(reversed)),
      options_(options),
      norm1_("norm1", layer_->width()),
      norm2_("norm2", layer_->width()),
      linear1_("linear1", layer_->width(), options.mlp_expansion * layer_->width()),
      linear2_("linear2", options.mlp_expansion * layer_->width(), layer_->width()),
      convolution_("convolution", options.taps, layer_->width()) {
  assert(options.residual || !has_second_norm());
  assert(options.mlp != MlpKind::kIdentity || !has_mlp());
}

template <typename T>
std::vector<SequenceLayer<T>*> Block<T>::layers() {
  std::vector<SequenceLayer<T>*> list{layer_.get()};
  if (reversed_) list.push_back(reversed_.get());
  return list;
}

template <typename T>
void Block<T>::initialise_rest(Random& random) {
  if (has_mlp()) {
    linear1_.initialise(random);
    linear2_.initialise(random);
  }
  if (options_.taps > 0) convolution_.initialise(random);
}

template <typename T>
void Block<T>::append_parameters(std::vector<Parameter<T>*>& parameters) {
  for (SequenceLayer<T>* layer : layers()) {
    for (Parameter<T>& parameter : layer->parameters()) parameters.push_back(&parameter);
  }
  if (options_.residual) {
    parameters.insert(parameters.end(), {&norm1_.weight, &norm1_.bias});
  }
  if (has_second_norm()) {
    parameters.insert(parameters.end(), {&norm2_.weight, &norm2_.bias});
  }
  if (has_mlp()) {
    parameters.insert(parameters.end(),
                      {&linear1_.weight, &linear1_.bias, &linear2_.weight, &linear2_.bias});
  }
  if (options_.taps > 0) {
    parameters.insert(parameters.end(), {&convolution_.weight, &convolution_.bias});
  }
}

template <typename T>
void Block<T>::reserve(SequenceShape shape, Pass pass, int workers) {
  assert(pass != Pass::kDecode);
  for (SequenceLayer<T>* layer : layers()) layer->reserve(shape, pass, workers);
  const Index N = shape.batch * shape.steps, D = layer_->width();
  if (options_.residual) {
    norm1_.reserve(N, pass);
    normed1_ = Tensor<T>({N, D});
    mixed_ = Tensor<T>({N, D});
  }
  const Index hidden_width = options_.mlp_expansion * D;
  if (has_second_norm()) {
    norm2_.reserve(N, pass);
    residual_ = Tensor<T>({N, D});
    normed2_ = Tensor<T>({N, D});
  }
  if (has_mlp()) {
    linear1_.reserve(pass);
    linear2_.reserve(pass);
    hidden_ = Tensor<T>({N, hidden_width});
    if (options_.mlp == MlpKind::kGelu) before_gelu_ = Tensor<T>({N, hidden_width});
  }
  if (options_.taps > 0) {
    convolution_.reserve(pass);
    convolved_ = Tensor<T>({N, D});
    dconvolved_ = pass == Pass::kTrain ? Tensor<T>({N, D}) : Tensor<T>();
  }
  if (reversed_) {
    one_way_ = Tensor<T>({N, D});
    other_way_ = Tensor<T>({N, D});
    dother_way_ = pass == Pass::kTrain ? Tensor<T>({N, D}) : Tensor<T>();
  }
  const bool backward = options_.residual && pass == Pass::kTrain;
  dnormed_ = backward ? Tensor<T>({N, D}) : Tensor<T>();
  dhidden_ = backward ? Tensor<T>({N, hidden_width}) : Tensor<T>();
  shared_scratch_ = Tensor<T>({N, takes_shared_rows() ? layer_->shared_row_scratch() : 0});
}

template <typename T>
void Block<T>::forward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y,
                       Keep keep) {
  if (!options_.residual) return mix(team, x, y, keep);
  const auto [B, S, D] = std::tuple(x.batch, x.steps, x.width);
  const Index N = B * S;
  const SequenceView<T> normed{normed1_.data(), B, S, D}, mixed{mixed_.data(), B, S, D};

  // 1. r = x + L(LN₁(x))
  norm1_.forward(x.tokens(), normed.tokens());
  mix(team, normed, mixed, keep);
  const MatrixView<T> r = has_second_norm() ? rows_of(residual_, N) : y.tokens();
  as_eigen(r) = as_eigen(x.tokens()) + as_eigen(mixed.tokens());

  // 2. y = r + MLP(LN₂(r))
  if (has_second_norm()) mlp_forward(team, r, y.tokens());
}

template <typename T>
void Block<T>::backward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<const T> y,
                        SequenceView<T> dy, SequenceView<T> dx) {
  if (!options_.residual) return mix_backward(team, x, y, dy, dx);
  const auto [B, S, D] = std::tuple(x.batch, x.steps, x.width);
  const SequenceView<T> normed{normed1_.data(), B, S, D}, mixed{mixed_.data(), B, S, D};
  const SequenceView<T> dnormed{dnormed_.data(), B, S, D};

  // Undoes 2: dy becomes dr.
  if (has_second_norm()) mlp_backward(team, rows_of(residual_, B * S), dy.tokens());

  // Undoes 1: dx = dr + dLN₁(dL(dr))
  mix_backward(team, normed, mixed, dy, dnormed);
  norm1_.backward(x.tokens(), dnormed.tokens(), dx.tokens());
  as_eigen(dx.tokens()) += as_eigen(dy.tokens());
}

template <typename T>
bool Block<T>::takes_shared_rows() const {
  return options_.shares_rows && options_.taps == 0 && reversed_ == nullptr &&
         layer_->shared_row_scratch() > 0;
}

template <typename T>
void Block<T>::forward_shared(const ThreadTeam& team, const SharedRows<T>& x, SequenceView<T> y,
                              Keep keep) {
  const MatrixView<T> scratch = rows_of(shared_scratch_, x.table.rows);
  if (!options_.residual) return layer_->forward_shared(team, x, scratch, y, keep);
  const MatrixView<T> normed = rows_of(normed1_, x.table.rows);
  const SequenceView<T> mixed{mixed_.data(), y.batch, y.steps, y.width};

  // 1. r = x + L(LN₁(x)), each row's norm once
  norm1_.forward(x.table, normed);
  layer_->forward_shared(team, {.table = normed, .rows = x.rows}, scratch, mixed, keep);
  const MatrixView<T> r = has_second_norm() ? rows_of(residual_, y.tokens().rows) : y.tokens();
  embedding_forward<T>(x.rows, x.table, r);
  as_eigen(r) += as_eigen(mixed.tokens());

  // 2. y = r + MLP(LN₂(r))
  if (has_second_norm()) mlp_forward(team, r, y.tokens());
}

template <typename T>
void Block<T>::backward_shared(const ThreadTeam& team, const SharedRows<T>& x,
                               SequenceView<const T> y, SequenceView<T> dy, MatrixView<T> dtable) {
  const MatrixView<T> scratch = rows_of(shared_scratch_, x.table.rows);
  if (!options_.residual) return layer_->backward_shared(team, x, scratch, y, dy, dtable);
  const MatrixView<T> normed = rows_of(normed1_, x.table.rows);
  const MatrixView<T> dnormed = rows_of(dnormed_, x.table.rows);
  const SequenceView<T> mixed{mixed_.data(), y.batch, y.steps, y.width};

  // Undoes 2: dy becomes dr.
  if (has_second_norm()) {
    mlp_backward(team, rows_of(residual_, y.tokens().rows), dy.tokens());
  }

  // Undoes 1, each row once: the sum of its tokens' dr, and dLN₁ of the sum of their dL(dr), since
  // dLN₁ is linear in it
  layer_->backward_shared(team, {.table = normed, .rows = x.rows}, scratch, mixed, dy, dnormed);
  norm1_.backward(x.table, dnormed, dnormed);
  embedding_backward<T>(x.rows, dy.tokens(), dtable);
  as_eigen(dtable) += as_eigen(dnormed);
}

template <typename T>
Index Block<T>::row_scratch(SequenceShape shape, Index count) const {
  return reversed_ == nullptr && options_.taps == 0 ? layer_->row_scratch(shape, count) : 0;
}

template <typename T>
void Block<T>::forward_at(const ThreadTeam& team, SequenceView<const T> x,
                          std::span<const Index> rows, MatrixView<T> y, Keep keep) {
  const auto [B, S, D] = std::tuple(x.batch, x.steps, x.width);
  const SequenceView<T> normed{normed1_.data(), B, S, D}, mixed{mixed_.data(), B, S, D};

  // 1. r = x + L(LN₁(x)) at these rows
  norm1_.forward(x.tokens(), normed.tokens());
  const MatrixView<T> r = has_second_norm() ? rows_of(residual_, y.rows) : y;
  if (const Index elements = row_scratch({B, S}, y.rows); elements > 0) {
    // reserve() does not know how many rows are wanted: allocates when more is needed than before.
    if (row_scratch_.size() < elements) row_scratch_ = Tensor<T>({elements});
    layer_->forward_at(team, normed, rows, row_scratch_.data(), r);
  } else {
    mix(team, normed, mixed, keep);
    for (Index a = 0; a < r.rows; ++a) {
      as_eigen(r).row(a) = as_eigen(mixed.tokens()).row(rows[std::size_t(a)]);
    }
  }
  for (Index a = 0; a < r.rows; ++a) {
    as_eigen(r).row(a) += as_eigen(x.tokens()).row(rows[std::size_t(a)]);
  }

  // 2. y = r + MLP(LN₂(r))
  if (has_second_norm()) mlp_forward(team, r, y);
}

template <typename T>
void Block<T>::backward_at(const ThreadTeam& team, SequenceView<const T> x,
                           std::span<const Index> rows, MatrixView<T> dy, SequenceView<T> dx) {
  const auto [B, S, D] = std::tuple(x.batch, x.steps, x.width);
  const SequenceView<T> normed{normed1_.data(), B, S, D}, mixed{mixed_.data(), B, S, D};
  const SequenceView<T> dnormed{dnormed_.data(), B, S, D};

  // Undoes 2: dy becomes dr.
  if (has_second_norm()) mlp_backward(team, rows_of(residual_, dy.rows), dy);

  // Undoes 1: dx = dLN₁(dL(dr)), at these rows dr besides. Where the layer has to give all tokens,
  // dx first holds dr of all, 0 elsewhere.
  if (row_scratch({B, S}, dy.rows) > 0) {
    layer_->backward_at(team, normed, rows, row_scratch_.data(), dy, dnormed);
  } else {
    as_eigen(dx.tokens()).setZero();
    for (Index a = 0; a < dy.rows; ++a) {
      as_eigen(dx.tokens()).row(rows[std::size_t(a)]) = as_eigen(dy).row(a);
    }
    mix_backward(team, normed, mixed, dx, dnormed);
  }
  norm1_.backward(x.tokens(), dnormed.tokens(), dx.tokens());
  for (Index a = 0; a < dy.rows; ++a) {
    as_eigen(dx.tokens()).row(rows[std::size_t(a)]) += as_eigen(dy).row(a);
  }
}

/// y = L(x).
template <typename T>
void Block<T>::mix(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y, Keep keep) {
  if (options_.taps == 0) return read(team, x, y, keep);
  const SequenceView<T> convolved{convolved_.data(), x.batch, x.steps, x.width};
  convolution_.forward(team, x, convolved);
  read(team, convolved, y, keep);
}

template <typename T>
void Block<T>::mix_backward(const ThreadTeam& team, SequenceView<const T> x,
                            SequenceView<const T> y, SequenceView<const T> dy, SequenceView<T> dx) {
  if (options_.taps == 0) return read_backward(team, x, y, dy, dx);
  const SequenceView<T> convolved{convolved_.data(), x.batch, x.steps, x.width};
  const SequenceView<T> dconvolved{dconvolved_.data(), x.batch, x.steps, x.width};
  read_backward(team, convolved, y, dy, dconvolved);
  convolution_.backward(team, x, dconvolved, dx);
}

/// The layer, or the sum of both.
template <typename T>
void Block<T>::read(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y, Keep keep) {
  if (!reversed_) return layer_->forward(team, x, y, keep);
  const SequenceView<T> one{one_way_.data(), x.batch, x.steps, x.width};
  const SequenceView<T> other{other_way_.data(), x.batch, x.steps, x.width};
  layer_->forward(team, x, one, keep);
  reversed_->forward(team, x, other, keep);
  as_eigen(y.tokens()) = as_eigen(one.tokens()) + as_eigen(other.tokens());
}

template <typename T>
void Block<T>::read_backward(const ThreadTeam& team, SequenceView<const T> x,
                             SequenceView<const T> y, SequenceView<const T> dy,
                             SequenceView<T> dx) {
  if (!reversed_) return layer_->backward(team, x, y, dy, dx);
  const SequenceView<T> one{one_way_.data(), x.batch, x.steps, x.width};
  const SequenceView<T> other{other_way_.data(), x.batch, x.steps, x.width};
  const SequenceView<T> dother{dother_way_.data(), x.batch, x.steps, x.width};
  layer_->backward(team, x, one, dy, dx);
  reversed_->backward(team, x, other, dy, dother);
  as_eigen(dx.tokens()) += as_eigen(dother.tokens());
}

template <typename T>
void Block<T>::mlp_forward(const ThreadTeam& team, MatrixView<const T> r, MatrixView<T> y) {
  const auto normed = rows_of(normed2_, r.rows);
  norm2_.forward(r, normed);
  if (!has_mlp()) {
    as_eigen(y) = as_eigen(r) + as_eigen(normed);
    return;
  }
  const bool gelu = options_.mlp == MlpKind::kGelu;
  const auto hidden = rows_of(hidden_, r.rows);
  const auto before = gelu ? rows_of(before_gelu_, r.rows) : hidden;
  linear1_.forward(team, normed, before);
  (gelu ? gelu_forward<T> : relu_forward<T>)(elements(before), elements(hidden));
  linear2_.forward(team, hidden, y);
  as_eigen(y) += as_eigen(r);
}

/// dy becomes dr = dy + dLN₂(dMLP(dy)).
template <typename T>
void Block<T>::mlp_backward(const ThreadTeam& team, MatrixView<const T> r, MatrixView<T> dy) {
  const auto dnormed = rows_of(dnormed_, r.rows);
  MatrixView<const T> dmlp_input = dy;  // gradient of LN₂'s output
  if (has_mlp()) {
    const auto hidden = rows_of(hidden_, r.rows), dhidden = rows_of(dhidden_, r.rows);
    linear2_.backward(team, hidden, dy, dhidden);
    if (options_.mlp == MlpKind::kGelu) {
      const auto before = rows_of(before_gelu_, r.rows);
      gelu_backward<T>(elements(before), elements(dhidden), elements(dhidden));
    } else {
      relu_backward<T>(elements(hidden), elements(dhidden), elements(dhidden));
    }
    linear1_.backward(team, rows_of(normed2_, r.rows), dhidden, dnormed);
    dmlp_input = dnormed;
  }
  norm2_.backward(r, dmlp_input, dnormed);
  as_eigen(dy) += as_eigen(dnormed);
}

#define SEQBENCH_INSTANTIATE(T)        \
  template struct NormLayer<T>;        \
  template struct LinearLayer<T>;      \
  template struct ConvolutionLayer<T>; \
  template class Block<T>;
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
