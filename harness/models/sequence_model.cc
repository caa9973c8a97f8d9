#include "harness/models/sequence_model.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "attention/positional_encoding.h"
#include "core/elementwise.h"
#include "core/loss.h"
#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"

namespace seqbench {
namespace {

// GPT-2's and BERT's deviation: for learned positions, and for all matrices of a model as GPT-2.
constexpr double kDeviation = 0.02;

/// Where the row's first maximum is; 0 where it has none, being NaN. Two passes, since the
/// vectorised one tells no place.
template <typename T>
Index first_maximum(MatrixView<const T> row) {
  const T* const end = row.data + row.cols;
  const T* const found = std::find(row.data, end, *std::max_element(row.data, end));
  return found == end ? 0 : found - row.data;
}

}  // namespace

template <typename T>
SequenceModel<T>::SequenceModel(const SequenceModelSpec& spec)
    : spec_(spec),
      dropout_{.probability = spec.form.dropout},
      embedding_{"embedding.weight",
                 Tensor<T>({spec.form.as_gpt2 ? 0 : spec.vocabulary, input_width()}),
                 {}},
      input_("input", spec.channels, spec.form.width),
      final_norm_("final_norm", spec.form.width, spec.form.biases),
      readout_("readout", spec.form.width, spec.answers) {
  check(spec);
  input_.factors = readout_.factors = spec.factors;
  if (spec.form.as_gpt2) readout_.weight.name = embedding_.name;
  if (spec.form.direct_input) {
    for (Index v = 0; v < spec.vocabulary; ++v) embedding_.value.matrix()(v, 0) = T(v);
  }
  if (learns_table()) parameters_.push_back(&table());
  if (learns_input_map()) {
    parameters_.insert(parameters_.end(), {&input_.weight, &input_.bias});
  }
  if (spec.variant.positions == Positions::kLearned) {
    positions_ = {"positions.weight", Tensor<T>({spec.longest, spec.form.width}), {}};
    parameters_.push_back(&positions_);
  } else if (spec.variant.positions == Positions::kSinusoidal) {
    positions_.value = sinusoidal_positions<T>(spec.longest, spec.form.width);
  }
  name_parameters("");
  for (Index k = 0; k < spec.form.layers; ++k) {
    blocks_.push_back(std::make_unique<Block<T>>(block_spec(spec, k, &dropout_)));
    blocks_.back()->append_parameters(parameters_);
    name_parameters("blocks." + std::to_string(k) + ".");
  }
  if (spec_.has_final_norm()) {
    parameters_.push_back(&final_norm_.weight);
    if (spec_.form.biases) parameters_.push_back(&final_norm_.bias);
  }
  if (!spec.form.as_gpt2) parameters_.insert(parameters_.end(), {&readout_.weight, &readout_.bias});
  name_parameters("");
  assert(double(allocated_parameters()) == declared_parameters(spec));
}

template <typename T>
void SequenceModel<T>::name_parameters(const std::string& prefix) {
  for (std::size_t k = parameter_names_.size(); k < parameters_.size(); ++k) {
    parameter_names_.push_back(prefix + parameters_[k]->name);
  }
}

template <typename T>
void SequenceModel<T>::initialise(Random& random) {
  if (learns_table()) fill_normal(random, table().value.values());
  if (learns_input_map()) input_.initialise(random);
  if (learns_positions()) fill_normal(random, positions_.value.values(), 0, kDeviation);
  for (auto& block : blocks_) {
    for (SequenceLayer<T>* layer : block->layers()) {
      seqbench::initialise(random, *layer, spec_.variant.initialisation,
                           spec_.time_scale > 0 ? spec_.time_scale : spec_.longest);
    }
    block->initialise_rest(random);
  }
  readout_.initialise(random);
  if (spec_.form.as_gpt2) initialise_as_gpt2(random);
}

template <typename T>
void SequenceModel<T>::initialise_as_gpt2(Random& random) {
  for (Parameter<T>* parameter : parameters_) {
    const std::string& name = parameter->name;
    const std::span<T> values = parameter->value.values();
    const bool is_recurrent = name.starts_with("weight_") || name.starts_with("bias_");
    if (is_recurrent) continue;
    if (name.find("bias") != std::string::npos) {
      std::ranges::fill(values, T{0});
    } else if (parameter->value.shape().size() == 2) {
      const bool is_added = name == "out_proj.weight" || name == "linear2.weight";
      fill_normal(random, values, 0,
                  is_added ? kDeviation / std::sqrt(2 * double(spec_.form.layers)) : kDeviation);
    }
  }
  std::ranges::fill(readout_.bias.value.values(), T{0});
}

template <typename T>
Index SequenceModel<T>::allocated_parameters() const {
  Index count = 0;
  for (const Parameter<T>* parameter : parameters_) count += parameter->value.size();
  return count;
}

template <typename T>
Index SequenceModel<T>::parameter_count() const {
  Index count = allocated_parameters();
  if (spec_.form.direct_input) {
    const Index rows = blocks_[0]->layers()[0]->parameters()[0].value.shape()[0];  // of weight_ih
    count -= rows * (spec_.form.width - input_width());
  }
  return count;
}

template <typename T>
void SequenceModel<T>::reserve(SequenceShape shape, Index answers, int workers) {
  assert(shape.steps <= spec_.longest);
  buffers_.states.resize(blocks_.size() + 1);
  allocate_buffers(model_buffers(spec_, shape, answers), buffers_);
  for (auto& block : blocks_) block->reserve(shape, answers, workers);
  if (!spec_.form.as_gpt2) reserve_gradient(embedding_, learns_table());
  input_.reserve_gradients(learns_input_map());
  reserve_gradient(positions_, learns_positions());
  final_norm_.reserve_gradients(spec_.has_final_norm());
  readout_.reserve_gradients(true);  // a tied table's too
  answers_.reserve(static_cast<std::size_t>(answers));
  right_.reserve(static_cast<std::size_t>(answers));
  if (spec_.loss == LossKind::kCrossEntropy) losses_.reserve(static_cast<std::size_t>(answers));
}

template <typename T>
double SequenceModel<T>::forward(const ThreadTeam& team, const TaskBatch& batch, Keep keep) {
  const Index A = batch.answers();

  // 1. Tokens or numbers to vectors, and through the first block.
  const SequenceView<T> embedded = input_view(buffers_.states[0], batch);
  if (blocks_[0]->takes_shared_rows()) {
    share_rows(batch);
    blocks_[0]->forward_rows(team, pass_over_words(batch), keep);
  } else {
    embed(team, batch, embedded.tokens());
    if (positions_.value.size() > 0) add_positions(team, positions_.value.matrix(), embedded);
    if (dropout_.drops()) {
      const MatrixView<T> states = embedded.tokens();
      const auto count = static_cast<std::size_t>(states.rows * states.cols);
      draw_multipliers(dropout_, buffers_.embedding_multipliers.values().first(count));
      drop_elements(states);
    }
    if (!is_read_at_answers(0)) {
      blocks_[0]->forward(team, embedded, view(buffers_.states[1], batch), keep);
    }
  }

  // 2. Through the others.
  for (std::size_t k = 1; k < blocks_.size(); ++k) {
    if (is_read_at_answers(k)) continue;
    blocks_[k]->forward(team, view(buffers_.states[k], batch), view(buffers_.states[k + 1], batch),
                        keep);
  }

  // 3. The rows where an answer is asked for, of the last block alone where it can.
  const MatrixView<T> features = buffers_.features.matrix().row_block(0, A);
  if (const std::size_t last = blocks_.size() - 1; is_read_at_answers(last)) {
    blocks_[last]->forward_rows(team, pass_to_answers(batch), keep);
  } else {
    const MatrixView<T> output = view(buffers_.states.back(), batch).tokens();
    gather_rows(output, std::span(batch.answer_rows), features);
  }

  // 4. To logits and the loss.
  const MatrixView<T> logits = buffers_.logits.matrix().row_block(0, A);
  read_out(team, features, logits);
  judge(batch, logits);
  return loss_forward(batch, logits);
}

template <typename T>
void SequenceModel<T>::backward(const ThreadTeam& team, const TaskBatch& batch, double loss_scale) {
  const Index A = batch.answers();

  // Undoes 4.
  const MatrixView<T> features = buffers_.features.matrix().row_block(0, A);
  const MatrixView<T> normed =
      spec_.has_final_norm() ? buffers_.normed.matrix().row_block(0, A) : features;
  const MatrixView<T> dlogits = buffers_.logits.matrix().row_block(0, A);
  const MatrixView<T> dfeatures = buffers_.dfeatures.matrix().row_block(0, A);
  loss_backward(batch, dlogits);
  if (loss_scale != 1) scale(dlogits, T(loss_scale));
  readout_.backward(team, normed, dlogits, dfeatures);
  if (spec_.has_final_norm()) {
    final_norm_.backward(features, buffers_.mean, buffers_.rstd, dfeatures, dfeatures);
  }

  // Undoes 3: all other rows have no part in the loss.
  const std::size_t last = blocks_.size() - 1;
  if (is_read_at_answers(last)) {
    blocks_[last]->backward_rows(team, pass_to_answers(batch), dfeatures,
                                 view(buffers_.dstate, batch).tokens());
  } else {
    const MatrixView<T> dlast = view(buffers_.dstate, batch).tokens();
    scatter_rows(dfeatures, std::span(batch.answer_rows), dlast);
  }

  // Undoes 2.
  for (std::size_t k = last; k > 0; --k) {
    if (is_read_at_answers(k)) continue;
    blocks_[k]->backward(team, view(buffers_.states[k], batch), view(buffers_.states[k + 1], batch),
                         view(buffers_.dstate, batch), view(buffers_.dstate_below, batch));
    std::swap(buffers_.dstate, buffers_.dstate_below);
  }

  // Undoes 1.
  if (blocks_[0]->takes_shared_rows()) return embed_backward_shared(team, batch);
  if (!is_read_at_answers(0)) {
    blocks_[0]->backward(team, input_view(buffers_.states[0], batch),
                         view(buffers_.states[1], batch), view(buffers_.dstate, batch),
                         input_view(buffers_.dstate_below, batch));
    std::swap(buffers_.dstate, buffers_.dstate_below);
  }
  if (dropout_.drops()) drop_elements(input_view(buffers_.dstate, batch).tokens());
  embedding_gradient_ = input_view(buffers_.dstate, batch);
  if (learns_positions()) {
    add_positions_backward(team, embedding_gradient_, positions_.gradient.matrix());
  }
  embed_backward(team, batch);
}

template <typename T>
bool SequenceModel<T>::can_decode() const {
  return spec_.reads_tokens() && spec_.causal && !spec_.form.direct_input &&
         spec_.variant.window == 0 && !spec_.variant.uniform_weights &&
         std::ranges::all_of(blocks_, [](const auto& block) { return block->can_decode(); });
}

template <typename T>
Index SequenceModel<T>::carried_width() const {
  Index width = 0;
  for (const auto& block : blocks_) {
    if (block->carried_width() == 0) return 0;
    width += block->carried_width();
  }
  return can_decode() && positions_.value.size() == 0 ? width : 0;
}

template <typename T>
void SequenceModel<T>::carry(const CarriedState<T>& state) {
  if (!state.is_empty() && carried_width() == 0) {
    throw std::logic_error("this model carries no state from segment to segment");
  }
  Index first = 0;
  for (auto& block : blocks_) {
    const Index width = block->carried_width();
    block->carry(state.columns(first, width));
    first += width;
  }
}

template <typename T>
void SequenceModel<T>::reserve_decode(SequenceShape shape, int workers) {
  assert(can_decode() && shape.steps <= spec_.longest);
  buffers_.states.resize(blocks_.size() + 1);
  allocate_buffers(model_buffers(spec_, shape, shape.batch), buffers_);
  for (auto& block : blocks_) block->reserve_decode(shape, workers);
}

template <typename T>
void SequenceModel<T>::prefill(const ThreadTeam& team, SequenceShape shape,
                               std::span<const Token> tokens, MatrixView<T> logits) {
  const Index B = shape.batch, S = shape.steps, D = spec_.form.width;
  const auto view_of = [&](std::size_t k) {
    return SequenceView<T>{buffers_.states[k].data(), B, S, D};
  };
  embedding_forward<T>(tokens, table().value.matrix(), view_of(0).tokens());
  if (positions_.value.size() > 0) add_positions(team, positions_.value.matrix(), view_of(0));
  for (std::size_t k = 0; k < blocks_.size(); ++k) {
    blocks_[k]->prefill(team, view_of(k), view_of(k + 1));
  }
  const MatrixView<T> features = buffers_.features.matrix().row_block(0, B);
  copy(view_of(blocks_.size()).step(S - 1), features);
  read_out(team, features, logits);
  context_ = S;
}

template <typename T>
void SequenceModel<T>::decode(const ThreadTeam& team, std::span<const Token> tokens,
                              MatrixView<T> logits) {
  const Index B = Index(tokens.size()), D = spec_.form.width;
  const auto rows_at = [&](std::size_t k) {
    return MatrixView<T>(buffers_.states[k].data(), B, D);
  };
  embedding_forward<T>(tokens, table().value.matrix(), rows_at(0));
  if (positions_.value.size() > 0) {
    add_positions<T>(team, positions_.value.matrix().row_block(context_, 1),
                     SequenceView<T>{rows_at(0).data, B, 1, D});
  }
  for (std::size_t k = 0; k < blocks_.size(); ++k) {
    blocks_[k]->decode(team, rows_at(k), rows_at(k + 1));
  }
  read_out(team, rows_at(blocks_.size()), logits);
  ++context_;
}

template <typename T>
void SequenceModel<T>::rewind(Index steps) {
  context_ = steps;
  for (auto& block : blocks_) block->rewind(steps);
}

template <typename T>
void SequenceModel<T>::read_out(const ThreadTeam& team, MatrixView<const T> rows,
                                MatrixView<T> logits) {
  if (!spec_.has_final_norm()) return readout_.forward(team, rows, logits);
  const MatrixView<T> normed = buffers_.normed.matrix().row_block(0, rows.rows);
  final_norm_.forward(rows, normed, buffers_.mean, buffers_.rstd);
  readout_.forward(team, normed, logits);
}

template <typename T>
void SequenceModel<T>::embed(const ThreadTeam& team, const TaskBatch& batch,
                             MatrixView<T> embedded) {
  if (spec_.reads_tokens()) {
    return embedding_forward<T>(batch.tokens, table().value.matrix(), embedded);
  }
  T* const numbers = spec_.form.direct_input ? embedded.data : buffers_.numbers.data();
  std::ranges::transform(batch.numbers, numbers, [](double u) { return T(u); });
  if (spec_.form.direct_input) return;
  input_.forward(team, buffers_.numbers.matrix().row_block(0, embedded.rows), embedded);
}

template <typename T>
void SequenceModel<T>::drop_elements(MatrixView<T> states) {
  const T* const multipliers = buffers_.embedding_multipliers.data();
  for (Index i = 0; i < states.rows; ++i) {
    T* const row = states.row(i);
    for (Index j = 0; j < states.cols; ++j) row[j] *= multipliers[i * states.cols + j];
  }
}

template <typename T>
void SequenceModel<T>::embed_backward(const ThreadTeam& team, const TaskBatch& batch) {
  if (spec_.form.direct_input) return;
  const MatrixView<const T> gradient = embedding_gradient_.tokens();
  if (spec_.reads_tokens()) {
    return table_backward(batch.tokens, gradient);
  }
  input_.backward(team, buffers_.numbers.matrix().row_block(0, gradient.rows), gradient,
                  buffers_.dnumbers.matrix().row_block(0, gradient.rows));
}

template <typename T>
bool SequenceModel<T>::is_read_at_answers(std::size_t k) const {
  const Block<T>& block = *blocks_[k];
  return k + 1 == blocks_.size() && block.gives_answers() && !block.takes_shared_rows();
}

template <typename T>
void SequenceModel<T>::share_rows(const TaskBatch& batch) {
  row_of_word_.assign(static_cast<std::size_t>(spec_.vocabulary), -1);
  words_.clear();
  shared_rows_.clear();
  for (const Token word : batch.tokens) {
    Token& row = row_of_word_[static_cast<std::size_t>(word)];
    if (row < 0) {
      row = static_cast<Token>(words_.size());
      words_.push_back(word);
    }
    shared_rows_.push_back(row);
  }
  const MatrixView<T> rows(buffers_.states[0].data(), Index(words_.size()), input_width());
  embedding_forward<T>(words_, table().value.matrix(), rows);
}

template <typename T>
RowPass<T> SequenceModel<T>::pass_over_words(const TaskBatch& batch) {
  return {.shape = batch.shape,
          .shared = shared_rows_,
          .wanted = {},
          .x = {buffers_.states[0].data(), Index(words_.size()), input_width()},
          .y = view(buffers_.states[1], batch).tokens(),
          .scratch = nullptr};
}

template <typename T>
RowPass<T> SequenceModel<T>::pass_to_answers(const TaskBatch& batch) {
  return {.shape = batch.shape,
          .shared = {},
          .wanted = batch.answer_rows,
          .x = view(buffers_.states[blocks_.size() - 1], batch).tokens(),
          .y = buffers_.features.matrix().row_block(0, batch.answers()),
          .scratch = nullptr};
}

/// Behind a forward that shared rows.
template <typename T>
void SequenceModel<T>::embed_backward_shared(const ThreadTeam& team, const TaskBatch& batch) {
  const MatrixView<T> dwords(buffers_.dstate_below.data(), Index(words_.size()), input_width());
  blocks_[0]->backward_rows(team, pass_over_words(batch), view(buffers_.dstate, batch).tokens(),
                            dwords);
  if (!spec_.form.direct_input) table_backward(words_, dwords);
}

template <typename T>
void SequenceModel<T>::table_backward(std::span<const Token> tokens, MatrixView<const T> gradient) {
  if (spec_.form.as_gpt2) {
    add_embedding_gradient(tokens, gradient, table().gradient.matrix());
  } else {
    embedding_backward(tokens, gradient, table().gradient.matrix());
  }
}

template <typename T>
double SequenceModel<T>::loss_forward(const TaskBatch& batch, MatrixView<T> logits) {
  if (spec_.loss == LossKind::kCrossEntropy) {
    losses_.resize(batch.targets.size());
    return cross_entropy_forward<T>(
        logits, batch.targets, buffers_.probabilities.matrix().row_block(0, logits.rows), losses_);
  }
  std::ranges::transform(batch.values, buffers_.values.data(),
                         [](double value) { return T(value); });
  const auto count = static_cast<std::size_t>(logits.rows);
  return mse_forward<T>({logits.data, count}, buffers_.values.values().first(count));
}

template <typename T>
void SequenceModel<T>::loss_backward(const TaskBatch& batch, MatrixView<T> dlogits) {
  if (spec_.loss == LossKind::kCrossEntropy) {
    return cross_entropy_backward(buffers_.probabilities.matrix().row_block(0, dlogits.rows),
                                  batch.targets, dlogits);
  }
  const std::span<T> predictions(dlogits.data, static_cast<std::size_t>(dlogits.rows));
  mse_backward<T>(predictions, buffers_.values.values().first(predictions.size()), predictions);
}

template <typename T>
SequenceView<T> SequenceModel<T>::view(Tensor<T>& states, const TaskBatch& batch) const {
  assert(batch.shape.batch * batch.shape.steps * spec_.form.width <= states.size());
  return {states.data(), batch.shape.batch, batch.shape.steps, spec_.form.width};
}

template <typename T>
SequenceView<T> SequenceModel<T>::input_view(Tensor<T>& states, const TaskBatch& batch) const {
  SequenceView<T> input = view(states, batch);
  input.width = input_width();
  return input;
}

template <typename T>
void SequenceModel<T>::judge(const TaskBatch& batch, MatrixView<const T> logits) {
  answers_.clear();
  right_.clear();
  for (Index a = 0; a < logits.rows; ++a) {
    if (spec_.loss == LossKind::kCrossEntropy) {
      const Index best = first_maximum(logits.row_block(a, 1));
      answers_.push_back(static_cast<Token>(best));
      right_.push_back(best == batch.targets[std::size_t(a)]);
    } else {
      const double error = double(logits(a, 0)) - batch.values[std::size_t(a)];
      right_.push_back(std::abs(error) < spec_.tolerance);
    }
  }
}

template class SequenceModel<float>;
template class SequenceModel<double>;

}  // namespace seqbench
