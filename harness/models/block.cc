#include "harness/models/block.h"

#include <algorithm>

#include "core/elementwise.h"
#include "core/gelu.h"
#include "core/relu.h"
#include "core/reversed_layer.h"

namespace seqbench {
namespace {

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

/// Whether the layer itself may see other rows than tokens: nothing stands before it that needs
/// them all.
bool layer_sees_rows(const BlockSpec& spec) { return spec.taps == 0 && !spec.bidirectional; }

bool takes_shared_rows(const BlockSpec& spec) {
  return spec.shared_rows > 0 && layer_sees_rows(spec) &&
         declared_row_scratch(spec.layer, {1, 1}, {.shared = 1}) > 0;
}

/// Elements of the layer's scratch for the rows that the block was made for.
double row_scratch(const BlockSpec& spec, SequenceShape shape, Index answers) {
  const Index tokens = shape.batch * shape.steps;
  if (takes_shared_rows(spec)) {
    return declared_row_scratch(spec.layer, shape, {.shared = std::min(tokens, spec.shared_rows)});
  }
  const bool at_answers = spec.at_answers && spec.form.residual && layer_sees_rows(spec);
  return at_answers ? declared_row_scratch(spec.layer, shape, {.wanted = answers}) : 0;
}

}  // namespace

BlockBuffers<BufferShape> block_buffers(const BlockSpec& spec, SequenceShape shape, Index answers) {
  const Index N = shape.batch * shape.steps, D = spec.layer.width;
  const Index E = spec.form.mlp_expansion * D;
  BlockBuffers<BufferShape> buffers;
  if (spec.taps > 0) buffers.convolved = buffers.dconvolved = {N, D};
  if (spec.bidirectional) buffers.one_way = buffers.other_way = buffers.dother_way = {N, D};
  if (spec.form.residual) {
    buffers.mean1 = buffers.rstd1 = {N};
    buffers.normed1 = buffers.mixed = buffers.dnormed = {N, D};
  }
  if (spec.has_second_norm()) {
    buffers.mean2 = buffers.rstd2 = {N};
    buffers.residual = buffers.normed2 = {N, D};
  }
  if (spec.has_mlp()) {
    buffers.hidden = buffers.dhidden = {N, E};
    if (spec.form.mlp == MlpKind::kGelu) buffers.before_gelu = {N, E};
  }
  const double scratch = row_scratch(spec, shape, answers);
  // Beyond any machine's memory the number would not fit an Index.
  if (scratch > 0) buffers.row_scratch = {static_cast<Index>(std::min(scratch, 0x1p62))};
  return buffers;
}

std::vector<ParameterShape> block_parameters(const BlockSpec& spec) {
  const Index D = spec.layer.width, E = spec.form.mlp_expansion * D;
  std::vector<ParameterShape> parameters;
  const auto append = [&](const std::vector<ParameterShape>& more) {
    parameters.insert(parameters.end(), more.begin(), more.end());
  };
  const bool biases = spec.form.biases;
  if (spec.form.residual) append(NormLayer<float>::shapes("norm1", D, biases));
  if (spec.has_second_norm()) append(NormLayer<float>::shapes("norm2", D, biases));
  if (spec.has_mlp()) {
    append(LinearLayer<float>::shapes("linear1", D, E, biases));
    append(LinearLayer<float>::shapes("linear2", E, D, biases));
  }
  if (spec.taps > 0) append(ConvolutionLayer<float>::shapes("convolution", spec.taps, D));
  return parameters;
}

template <typename T>
Block<T>::Block(const BlockSpec& spec)
    : spec_(spec),
      layer_(make_layer<T>(spec.layer)),
      reversed_(spec.bidirectional ? make_reversed(make_layer<T>(spec.layer)) : nullptr),
      norm1_("norm1", spec.layer.width, spec.form.biases),
      norm2_("norm2", spec.layer.width, spec.form.biases),
      linear1_("linear1", spec.layer.width, spec.form.mlp_expansion * spec.layer.width,
               spec.form.biases),
      linear2_("linear2", spec.form.mlp_expansion * spec.layer.width, spec.layer.width,
               spec.form.biases),
      convolution_("convolution", spec.taps, spec.layer.width) {
  linear1_.factors = linear2_.factors = spec.layer.factors;
  assert(spec.form.residual || !spec_.has_second_norm());
  assert(spec.form.mlp != MlpKind::kIdentity || !spec_.has_mlp());
}

template <typename T>
std::vector<SequenceLayer<T>*> Block<T>::layers() {
  std::vector<SequenceLayer<T>*> list{layer_.get()};
  if (reversed_) list.push_back(reversed_.get());
  return list;
}

template <typename T>
void Block<T>::initialise_rest(Random& random) {
  if (spec_.has_mlp()) {
    linear1_.initialise(random);
    linear2_.initialise(random);
  }
  if (spec_.taps > 0) convolution_.initialise(random);
}

template <typename T>
void Block<T>::append_parameters(std::vector<Parameter<T>*>& parameters) {
  const auto append = [&](std::initializer_list<Parameter<T>*> more) {
    // A bias that is left out is an empty tensor.
    std::ranges::copy_if(more, std::back_inserter(parameters),
                         [](const Parameter<T>* parameter) { return parameter->value.size() > 0; });
  };
  for (SequenceLayer<T>* layer : layers()) {
    for (Parameter<T>& parameter : layer->parameters()) append({&parameter});
  }
  if (spec_.form.residual) append({&norm1_.weight, &norm1_.bias});
  if (spec_.has_second_norm()) append({&norm2_.weight, &norm2_.bias});
  if (spec_.has_mlp()) {
    append({&linear1_.weight, &linear1_.bias, &linear2_.weight, &linear2_.bias});
  }
  if (spec_.taps > 0) append({&convolution_.weight, &convolution_.bias});
}

template <typename T>
void Block<T>::reserve(SequenceShape shape, Index answers, int workers) {
  for (SequenceLayer<T>* layer : layers()) layer->reserve(shape, Pass::kTrain, workers);
  norm1_.reserve_gradients(spec_.form.residual);
  norm2_.reserve_gradients(spec_.has_second_norm());
  linear1_.reserve_gradients(spec_.has_mlp());
  linear2_.reserve_gradients(spec_.has_mlp());
  convolution_.reserve_gradients(spec_.taps > 0);
  allocate_buffers(block_buffers(spec_, shape, answers), buffers_);
}

template <typename T>
void Block<T>::reserve_decode(SequenceShape shape, int workers) {
  assert(can_decode());
  layer_->reserve(shape, Pass::kDecode, workers);
  allocate_buffers(block_buffers(spec_, shape, 0), buffers_);
}

template <typename T>
void Block<T>::forward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y,
                       Keep keep) {
  forward_around(team, x, y, [&](SequenceView<const T> from, SequenceView<T> to) {
    mix(team, from, to, keep);
  });
}

template <typename T>
void Block<T>::prefill(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y) {
  forward_around(team, x, y, [&](SequenceView<const T> from, SequenceView<T> to) {
    layer_->prefill(team, from, to);
  });
}

template <typename T>
void Block<T>::decode(const ThreadTeam& team, MatrixView<const T> x, MatrixView<T> y) {
  assert(x.stride == x.cols && y.stride == y.cols);
  const SequenceView<const T> token{x.data, x.rows, 1, x.cols};
  forward_around(team, token, {y.data, y.rows, 1, y.cols},
                 [&](SequenceView<const T> from, SequenceView<T> to) {
                   layer_->decode(team, from.tokens(), to.tokens());
                 });
}

template <typename T>
template <typename Mix>
void Block<T>::forward_around(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y,
                              const Mix& mix) {
  if (!spec_.form.residual) return mix(x, y);
  const auto [B, S, D] = std::tuple(x.batch, x.steps, x.width);
  const Index N = B * S;
  const SequenceView<T> normed{buffers_.normed1.data(), B, S, D},
      mixed{buffers_.mixed.data(), B, S, D};

  // 1. r = x + L(LN₁(x))
  norm1_.forward(x.tokens(), normed.tokens(), buffers_.mean1, buffers_.rstd1);
  mix(normed, mixed);
  const MatrixView<T> r = spec_.has_second_norm() ? rows_of(buffers_.residual, N) : y.tokens();
  assign_sum(x.tokens(), mixed.tokens(), r);

  // 2. y = r + MLP(LN₂(r))
  if (spec_.has_second_norm()) mlp_forward(team, r, y.tokens());
}

template <typename T>
void Block<T>::backward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<const T> y,
                        SequenceView<T> dy, SequenceView<T> dx) {
  if (!spec_.form.residual) return mix_backward(team, x, y, dy, dx);
  const auto [B, S, D] = std::tuple(x.batch, x.steps, x.width);
  const SequenceView<T> normed{buffers_.normed1.data(), B, S, D},
      mixed{buffers_.mixed.data(), B, S, D};
  const SequenceView<T> dnormed{buffers_.dnormed.data(), B, S, D};

  // Undoes 2: dy becomes dr.
  if (spec_.has_second_norm()) mlp_backward(team, rows_of(buffers_.residual, B * S), dy.tokens());

  // Undoes 1: dx = dr + dLN₁(dL(dr))
  mix_backward(team, normed, mixed, dy, dnormed);
  norm1_.backward(x.tokens(), buffers_.mean1, buffers_.rstd1, dnormed.tokens(), dx.tokens());
  add(dy.tokens(), dx.tokens());
}

template <typename T>
bool Block<T>::takes_shared_rows() const {
  return seqbench::takes_shared_rows(spec_);
}

template <typename T>
bool Block<T>::layer_takes(const RowPass<T>& pass) const {
  if (!layer_sees_rows(spec_)) return false;
  const double scratch = layer_->row_scratch(pass.shape, pass.counts());
  return scratch > 0 && scratch <= double(buffers_.row_scratch.size());
}

template <typename T>
RowPass<T> Block<T>::layer_pass(const RowPass<T>& pass, MatrixView<const T> x, MatrixView<T> y) {
  return {.shape = pass.shape,
          .shared = pass.shared,
          .wanted = pass.wanted,
          .x = x,
          .y = y,
          .scratch = buffers_.row_scratch.data()};
}

template <typename T>
void Block<T>::forward_rows(const ThreadTeam& team, const RowPass<T>& pass, Keep keep) {
  if (!spec_.form.residual) {
    return layer_->forward_rows(team, layer_pass(pass, pass.x, pass.y), keep);
  }
  const auto [B, S] = std::pair(pass.shape.batch, pass.shape.steps);
  const Index D = pass.y.cols, rows = pass.y.rows;
  const MatrixView<T> normed = rows_of(buffers_.normed1, pass.x.rows);
  const MatrixView<T> r = spec_.has_second_norm() ? rows_of(buffers_.residual, rows) : pass.y;

  // 1. r = x + L(LN₁(x)) in the rows of y; the norm of each row of x once
  norm1_.forward(pass.x, normed, buffers_.mean1, buffers_.rstd1);
  if (layer_takes(pass)) {
    const MatrixView<T> mixed = rows_of(buffers_.mixed, rows);
    layer_->forward_rows(team, layer_pass(pass, normed, mixed), keep);
    copy(mixed, r);
  } else {
    assert(pass.shared.empty());
    const SequenceView<T> mixed{buffers_.mixed.data(), B, S, D};
    mix(team, {normed.data, B, S, D}, mixed, keep);
    gather_rows(mixed.tokens(), pass.wanted, r);
  }
  if (pass.shared.empty()) {
    add_gathered_rows(pass.x, pass.wanted, r);
  } else {
    add_gathered_rows(pass.x, pass.shared, r);
  }

  // 2. y = r + MLP(LN₂(r))
  if (spec_.has_second_norm()) mlp_forward(team, r, pass.y);
}

template <typename T>
void Block<T>::backward_rows(const ThreadTeam& team, const RowPass<T>& pass, MatrixView<T> dy,
                             MatrixView<T> dx) {
  if (!spec_.form.residual) {
    return layer_->backward_rows(team, layer_pass(pass, pass.x, pass.y), dy, dx);
  }
  const auto [B, S] = std::pair(pass.shape.batch, pass.shape.steps);
  const Index D = pass.y.cols, rows = pass.y.rows;
  const MatrixView<T> normed = rows_of(buffers_.normed1, pass.x.rows);
  const MatrixView<T> dnormed = rows_of(buffers_.dnormed, pass.x.rows);

  // Undoes 2: dy becomes dr.
  if (spec_.has_second_norm()) mlp_backward(team, rows_of(buffers_.residual, rows), dy);

  // Undoes 1: dL(dr), in the rows of x
  if (layer_takes(pass)) {
    const MatrixView<T> mixed = rows_of(buffers_.mixed, rows);
    layer_->backward_rows(team, layer_pass(pass, normed, mixed), dy, dnormed);
  } else {  // dx is all of dr on the way
    scatter_rows(dy, pass.wanted, dx);
    mix_backward(team, {normed.data, B, S, D}, {buffers_.mixed.data(), B, S, D}, {dx.data, B, S, D},
                 {dnormed.data, B, S, D});
  }

  // and dx = dLN₁ of it, plus each row's dr: of a shared row the sum over its tokens
  if (pass.wanted.empty()) {
    norm1_.backward(pass.x, buffers_.mean1, buffers_.rstd1, dnormed, dnormed);
    embedding_backward<T>(pass.shared, dy, dx);
    add(dnormed, dx);
  } else {
    norm1_.backward(pass.x, buffers_.mean1, buffers_.rstd1, dnormed, dx);
    scatter_add_rows(dy, pass.wanted, dx);
  }
}

/// y = L(x).
template <typename T>
void Block<T>::mix(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y, Keep keep) {
  if (spec_.taps == 0) return apply_layers(team, x, y, keep);
  const SequenceView<T> convolved{buffers_.convolved.data(), x.batch, x.steps, x.width};
  convolution_.forward(team, x, convolved);
  apply_layers(team, convolved, y, keep);
}

template <typename T>
void Block<T>::mix_backward(const ThreadTeam& team, SequenceView<const T> x,
                            SequenceView<const T> y, SequenceView<const T> dy, SequenceView<T> dx) {
  if (spec_.taps == 0) return apply_layers_backward(team, x, y, dy, dx);
  const SequenceView<T> convolved{buffers_.convolved.data(), x.batch, x.steps, x.width};
  const SequenceView<T> dconvolved{buffers_.dconvolved.data(), x.batch, x.steps, x.width};
  apply_layers_backward(team, convolved, y, dy, dconvolved);
  convolution_.backward(team, x, dconvolved, dx);
}

/// The layer, or the sum of both.
template <typename T>
void Block<T>::apply_layers(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y,
                            Keep keep) {
  if (!reversed_) return layer_->forward(team, x, y, keep);
  const SequenceView<T> one{buffers_.one_way.data(), x.batch, x.steps, x.width};
  const SequenceView<T> other{buffers_.other_way.data(), x.batch, x.steps, x.width};
  layer_->forward(team, x, one, keep);
  reversed_->forward(team, x, other, keep);
  assign_sum(one.tokens(), other.tokens(), y.tokens());
}

template <typename T>
void Block<T>::apply_layers_backward(const ThreadTeam& team, SequenceView<const T> x,
                                     SequenceView<const T> y, SequenceView<const T> dy,
                                     SequenceView<T> dx) {
  if (!reversed_) return layer_->backward(team, x, y, dy, dx);
  const SequenceView<T> one{buffers_.one_way.data(), x.batch, x.steps, x.width};
  const SequenceView<T> other{buffers_.other_way.data(), x.batch, x.steps, x.width};
  const SequenceView<T> dother{buffers_.dother_way.data(), x.batch, x.steps, x.width};
  layer_->backward(team, x, one, dy, dx);
  reversed_->backward(team, x, other, dy, dother);
  add(dother.tokens(), dx.tokens());
}

template <typename T>
void Block<T>::mlp_forward(const ThreadTeam& team, MatrixView<const T> r, MatrixView<T> y) {
  const auto normed = rows_of(buffers_.normed2, r.rows);
  norm2_.forward(r, normed, buffers_.mean2, buffers_.rstd2);
  if (!spec_.has_mlp()) {
    assign_sum(r, normed, y);
    return;
  }
  const bool gelu = spec_.form.mlp == MlpKind::kGelu;
  const auto hidden = rows_of(buffers_.hidden, r.rows);
  const auto before = gelu ? rows_of(buffers_.before_gelu, r.rows) : hidden;
  linear1_.forward(team, normed, before);
  (gelu ? gelu_forward<T> : relu_forward<T>)(elements(before), elements(hidden));
  linear2_.forward(team, hidden, y);
  add(r, y);
}

/// dy becomes dr = dy + dLN₂(dMLP(dy)).
template <typename T>
void Block<T>::mlp_backward(const ThreadTeam& team, MatrixView<const T> r, MatrixView<T> dy) {
  const auto dnormed = rows_of(buffers_.dnormed, r.rows);
  MatrixView<const T> dmlp_input = dy;  // of LN₂'s output
  if (spec_.has_mlp()) {
    const auto hidden = rows_of(buffers_.hidden, r.rows),
               dhidden = rows_of(buffers_.dhidden, r.rows);
    linear2_.backward(team, hidden, dy, dhidden);
    if (spec_.form.mlp == MlpKind::kGelu) {
      const auto before = rows_of(buffers_.before_gelu, r.rows);
      gelu_backward<T>(elements(before), elements(dhidden), elements(dhidden));
    } else {
      relu_backward<T>(elements(hidden), elements(dhidden), elements(dhidden));
    }
    linear1_.backward(team, rows_of(buffers_.normed2, r.rows), dhidden, dnormed);
    dmlp_input = dnormed;
  }
  norm2_.backward(r, buffers_.mean2, buffers_.rstd2, dmlp_input, dnormed);
  add(dnormed, dy);
}

template class Block<float>;
template class Block<double>;

}  // namespace seqbench
