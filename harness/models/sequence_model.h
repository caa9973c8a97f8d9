// The models that learn the long-range tasks:
//
//   tokens → embedding ┐
//   numbers → linear   ┴ [+ positions] → [dropout] → blocks → (answer rows only) [layer norm] →
//   linear → loss
//
// What does not decide the loss is left out, the same for every model: the last block gives its
// output at the answers' rows alone where it can, and what comes before the first product with
// other tokens is computed once for each word (RowPass in core/sequence_layer.h).
//
// The blocks are bare layers, or pre-norm residual blocks with or without an MLP, which end with a
// layer norm (tasks.cc says which model has which on a task). All read the answer at the same
// position, through the same kind of linear map. A regression's readout is one number.
#pragma once

#include <memory>
#include <vector>

#include "core/dropout.h"
#include "core/sequence_layer.h"
#include "harness/models/block.h"
#include "harness/models/sequence_model_spec.h"
#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"

namespace seqbench {

template <typename T>
class SequenceModel {
 public:
  /// With zero parameters. Throws std::invalid_argument when the layers refuse the specification.
  explicit SequenceModel(const SequenceModelSpec& spec);
  SequenceModel(const SequenceModel&) = delete;
  SequenceModel& operator=(const SequenceModel&) = delete;

  /// Draws everything as PyTorch's constructors do, except as the variant says; or as GPT-2:
  /// embeddings and linear maps from N(0, 0.02²), those whose output a block adds to its input with
  /// less, no biases (Radford et al. 2019, sec. 2.3); recurrent layers as else.
  void initialise(Random& random);
  /// All trainable tensors, in the order data flows through them.
  const std::vector<Parameter<T>*>& parameters() { return parameters_; }
  /// Their names in the same order, each once: those of a block begin with "blocks.0.".
  const std::vector<std::string>& parameter_names() const { return parameter_names_; }
  /// Trainable scalars, without the weights of channels that are always 0.
  Index parameter_count() const;
  /// The sequence layers of all blocks, first block first.
  std::vector<SequenceLayer<T>*> layers() {
    std::vector<SequenceLayer<T>*> all;
    for (auto& block : blocks_) {
      for (SequenceLayer<T>* layer : block->layers()) all.push_back(layer);
    }
    return all;
  }

  /// Allocates for batches of up to this shape with up to `answers` answers in all.
  void reserve(SequenceShape shape, Index answers, int workers);

  /// Whether the model can write: it reads tokens from the first to the last, and so do its blocks.
  bool can_decode() const;
  /// Allocates for contexts of up to this shape and one token more, in the place of what reserve()
  /// did; for models that can_decode().
  void reserve_decode(SequenceShape shape, int workers);
  /// Starts contexts with tokens [B, T], as nothing stood before; assigns what follows the last of
  /// each, as logits [B, V].
  void prefill(const ThreadTeam& team, SequenceShape shape, std::span<const Token> tokens,
               MatrixView<T> logits);
  /// Appends a token to each: tokens [B]; assigns what follows, as logits [B, V].
  void decode(const ThreadTeam& team, std::span<const Token> tokens, MatrixView<T> logits);

  /// As SequenceLayer's.
  void rewind(Index steps);

  /// Numbers of a sequence that a pass can take over from the segment before it, those of all
  /// blocks behind each other; 0: the model has no such state.
  Index carried_width() const;
  /// As SequenceLayer's. Throws std::logic_error for a state where there is none.
  void carry(const CarriedState<T>& state);

  /// From now on forward drops what the specification says, drawn from there; null, as at first:
  /// nothing. Not between a forward and its backward.
  void drop_with(Random* random) { dropout_.random = random; }

  /// The mean loss over the batch's answers.
  double forward(const ThreadTeam& team, const TaskBatch& batch, Keep keep);
  /// What the last forward answered to each question: the largest logit's number; empty for a
  /// regression.
  const std::vector<Token>& answers() const { return answers_; }
  /// For each answer of the last forward, whether it was right (LossKind says when).
  const std::vector<bool>& right() const { return right_; }
  /// For each answer of the last forward, its loss; empty for a regression.
  const std::vector<double>& losses() const { return losses_; }
  /// Assigns every parameter's gradient of `loss_scale` times the loss; after a forward of the same
  /// batch with kForBackward.
  void backward(const ThreadTeam& team, const TaskBatch& batch, double loss_scale = 1);
  /// The last backward's gradient with respect to the embedding's output [B, T, D], or to the
  /// channels of a direct input [B, T, C]. For models that are specified to tell it.
  SequenceView<const T> embedding_gradient() const {
    assert(spec_.embedding_gradient);
    return embedding_gradient_;
  }

 private:
  /// The last part of a pass: logits [A, V] from rows [A, D] of the last block's output.
  void read_out(const ThreadTeam& team, MatrixView<const T> rows, MatrixView<T> logits);
  /// C, the width of what the first layer reads: D, but of a direct input.
  Index input_width() const {
    return !spec_.form.direct_input ? spec_.form.width : spec_.reads_tokens() ? 1 : spec_.channels;
  }
  /// Trainable scalars, with the weights of channels that are always 0.
  Index allocated_parameters() const;
  /// Those without a name yet.
  void name_parameters(const std::string& prefix);
  void initialise_as_gpt2(Random& random);
  /// [V, C] that tokens are looked up in.
  Parameter<T>& table() { return spec_.form.as_gpt2 ? readout_.weight : embedding_; }
  /// Behind the readout's backward, whose gradient is a tied table's too.
  void table_backward(std::span<const Token> tokens, MatrixView<const T> gradient);
  /// Whether tokens are looked up in a trained table, or numbers go through a trained map.
  bool learns_table() const { return spec_.reads_tokens() && !spec_.form.direct_input; }
  bool learns_input_map() const { return !spec_.reads_tokens() && !spec_.form.direct_input; }
  bool learns_positions() const { return spec_.variant.positions == Positions::kLearned; }
  /// Whether block k computes its output at the answers' rows alone.
  bool is_read_at_answers(std::size_t k) const;
  /// The tokens' rows as those of their words: assigns words_ and shared_rows_, and the words' rows
  /// in front of states[0].
  void share_rows(const TaskBatch& batch);
  /// The first block's pass over them.
  RowPass<T> pass_over_words(const TaskBatch& batch);
  /// The last block's pass to the answers' rows.
  RowPass<T> pass_to_answers(const TaskBatch& batch);
  void embed_backward_shared(const ThreadTeam& team, const TaskBatch& batch);
  /// The front of states[k], or of its gradient.
  SequenceView<T> view(Tensor<T>& states, const TaskBatch& batch) const;
  SequenceView<T> input_view(Tensor<T>& states, const TaskBatch& batch) const;
  void embed(const ThreadTeam& team, const TaskBatch& batch, MatrixView<T> embedded);
  /// Drops elements of the embedding's output, or the same ones of its gradient.
  void drop_elements(MatrixView<T> states);
  void embed_backward(const ThreadTeam& team, const TaskBatch& batch);
  double loss_forward(const TaskBatch& batch, MatrixView<T> logits);
  void loss_backward(const TaskBatch& batch, MatrixView<T> dlogits);
  void judge(const TaskBatch& batch, MatrixView<const T> logits);

  SequenceModelSpec spec_;
  Dropout dropout_;
  Parameter<T> embedding_;  // [V, C]; empty where the input is numbers or the readout has the
                            // table; of a direct input the tokens' numbers, no parameter
  LinearLayer<T> input_;    // [D, channels]; unused where the input is tokens or direct
  Parameter<T> positions_;  // [longest, D]; empty without, no parameter unless learned
  std::vector<std::unique_ptr<Block<T>>> blocks_;
  NormLayer<T> final_norm_;
  LinearLayer<T> readout_;
  std::vector<Parameter<T>*> parameters_;
  std::vector<std::string> parameter_names_;

  ModelBuffers<Tensor<T>> buffers_;
  std::vector<Token> words_;        // [U] the batch's different tokens, by their first place
  std::vector<Token> shared_rows_;  // [N] where each token is among them
  std::vector<Token> row_of_word_;  // [V] the same of each word; −1: not in the batch
  std::vector<Token> answers_;
  std::vector<bool> right_;
  std::vector<double> losses_;
  Index context_ = 0;  // tokens that a decode has read
  SequenceView<const T> embedding_gradient_;
};

/// Gives `to` the parameters of `from`, a model of the same specification but for its longest
/// sequence: positions that `from` does not have stay as they are.
template <typename From, typename To>
void copy_parameters(SequenceModel<From>& from, SequenceModel<To>& to) {
  for (std::size_t k = 0; k < from.parameters().size(); ++k) {
    const auto source = from.parameters()[k]->value.values();
    std::copy(source.begin(), source.end(), to.parameters()[k]->value.data());
  }
}

}  // namespace seqbench
