// Long-range tasks: an answer that depends on tokens some way back, and nothing else to go by.
//
//   first_token   x₀ d d d … d ?  →  x₀                          first_token_task.cc
//   adding        (u, marked?) …  →  the sum of the two marked   adding_task.cc
//   copy          s₀ … s₉ _ _ … _ ! _ … _  →  s₀ … s₉            copy_task.cc
//   parity        b₀ b₁ b₂ …  →  b₀, b₀⊕b₁, b₀⊕b₁⊕b₂, …          parity_task.cc
//   mqar          k₁ v₁ k₂ v₂ … _ k₂ _ _ k₁  →  v₂, v₁           mqar_task.cc
//   coreference   the N1 didn't V the N2 because it was too ADJ  →  N1 or N2   coreference_task.cc
//   hidden_verb   the N1 [hidden] on the N2  →  which verb       hidden_verb_task.cc
//   first_symbol, copy_all, mqar_8k, associative_recall: as others have posed them in published
//   settings (presets.h)                                         published_tasks.cc, mqar_task.cc
//
// To add a task: a file that says what is drawn and asked, declared in task_definitions.h, and an
// entry with its settings in tasks.cc's table.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/embedding.h"
#include "core/optimiser.h"
#include "core/parts.h"
#include "core/random.h"
#include "core/sequence_layer.h"
#include "harness/tasks/mlp_kind.h"

namespace seqbench {

/// Sequences and what is asked about them.
struct TaskBatch {
  SequenceShape shape;             // B, T
  std::vector<Token> tokens;       // [B, T]; empty where the input is numbers
  std::vector<double> numbers;     // [B, T, channels]; empty where the input is tokens
  std::vector<Index> answer_rows;  // where answers are read: rows of the [B·T] tokens, ascending
  std::vector<Token> targets;      // the right answer at each of them; empty for a regression
  std::vector<double> values;      // the same of a regression; else empty
  std::vector<Index> gaps;         // steps from each answer back to its evidence; empty where the
                                   // task's distance tells it
  bool minimal_pairs = false;      // answers 2i and 2i + 1 ask about almost the same sequence

  Index answers() const { return static_cast<Index>(answer_rows.size()); }
  /// Whether answer `a` is the last of its sequence.
  bool is_last_answer(Index a) const { return is_among_last(a, 1); }
  /// Whether it is one of the last `count`.
  bool is_among_last(Index a, Index count) const;
  /// Forgets what it holds and takes this shape.
  void start(SequenceShape new_shape);
  /// Becomes some of the sequences of a batch and what is asked about them.
  void take(const TaskBatch& batch, Part sequences);
  /// Takes in the sequences of another batch, as long as its own, behind these.
  void append(const TaskBatch& batch);
};

/// With the evidence removed, a target is independent of its sequence: whatever then scores above
/// chance is a leak.
enum class Evidence { kGiven, kRemoved };

/// What some tasks never show in training: tests take nothing else.
enum class Split { kTraining, kTest };

/// How far apart things stand in the sequences of a task, and how many.
struct TaskSetting {
  Index distance = 1;  // on the task's own axis
  Index pairs = 0;     // key-value pairs, for tasks that have them; 0: as the task has it
};

/// What to draw.
struct DrawRequest {
  Index sequences = 1;
  TaskSetting setting;
  Evidence evidence = Evidence::kGiven;
  Split split = Split::kTraining;
};

enum class LossKind {
  kCrossEntropy,  // in nats; right is the largest logit
  kSquaredError,  // of one number; right is within the task's tolerance
};

/// Which answers accuracy counts; the loss is the mean over all.
enum class Judged { kEveryAnswer, kLastAnswer, kLastTen };

enum class OptimiserKind { kAdamW, kRmsProp };

/// The form and training of one model on one task.
struct ModelSettings {
  Index layers = 1;
  double learning_rate = 1e-3;  // the peak
  Index heads = 1;              // of attention
  bool residual = false;        // Transformer blocks (block.h) around the layers, not bare ones
  bool final_norm = false;      // a layer norm behind the last layer; blocks always have one
  Index mlp_expansion = 0;      // hidden width of a block's MLP ÷ width
  MlpKind mlp = MlpKind::kRelu;
  bool as_gpt2 = false;       // readout and initial values as GPT-2's (sequence_model.h)
  bool direct_input = false;  // no embedding (sequence_model.h)
  double dropout = 0;         // of the embedding's output and of attention's weights
  Index width = 0;            // 0: the task's
  std::optional<double> weight_decay = {};  // nothing: the task's
};

/// The setting a task is run in unless the command line says otherwise.
struct TaskDefaults {
  std::vector<Index> distances = {};
  std::vector<std::string> variants = {};
  Index seeds = 1;
  Index steps = 1;
  Index batch = 1;
  Index plain_batch = 0;  // of models without a convolution before their layers; 0: the same
  Index width = 1;
  std::map<std::string, ModelSettings> models;
  Index warmup_steps = 0;
  Decay decay = Decay::kCosine;
  OptimiserKind optimiser = OptimiserKind::kAdamW;
  double weight_decay = 0;
  double max_gradient_norm = 1;
  Index training_sequences = 0;  // of an epoch, shown again in every one; 0: always fresh ones
  bool shuffles = false;         // in a new order every epoch; else in the same batches
  bool decays_by_epoch = false;  // the learning rate falls between epochs alone; no warm-up
  Index test_sequences = 1;
  std::vector<Index> test_distances = {};  // besides that of training
  double solved_accuracy = 1;  // from here on a test, or a stretch of training, counts as solved
  bool stops_when_solved = false;  // training ends soon after (training.cc says when)
  bool tests_epochs = false;       // it is tested behind each epoch, and the first test that counts
                                   // as solved ends it: with dropout training batches tell less
  Index gradient_steps = 512;      // how far back gradients are measured
  std::vector<Index> attended_mixture = {};  // distances that attend's trainings mix with the
                                             // sentence's own; empty: none
  double attended_dropout = 0;               // as ModelSettings::dropout, in attend's trainings
};

struct Task {
  std::string name;
  std::string setup;             // "causal", or "encoder": sequences are read in both directions
  std::string distance_meaning;  // of --distance
  Index vocabulary = 0;          // tokens lie in [0, vocabulary)
  Index channels = 0;            // numbers at each step, where the input is no tokens
  Index answers = 1;             // targets lie in [0, answers)
  LossKind loss = LossKind::kCrossEntropy;
  bool causal = true;  // what is read at a step depends on that step and earlier ones alone
  Judged judged = Judged::kEveryAnswer;
  double tolerance = 0;  // a regression's answer counts as right within it
  /// Key-value pairs of a sequence, from 2 to most_pairs; null for tasks without.
  Index (*pairs)(const TaskSetting& setting) = nullptr;
  Index most_pairs = 0;
  /// The shortest distance that leaves room for `pairs`.
  Index (*min_distance)(Index pairs) = nullptr;
  Index (*sequence_length)(const TaskSetting& setting) = nullptr;
  /// Answers asked for in one sequence.
  Index (*questions)(const TaskSetting& setting) = nullptr;
  /// The accuracy of the best guess without evidence, and its loss.
  double (*chance)(const TaskSetting& setting) = nullptr;
  double (*baseline_loss)(const TaskSetting& setting) = nullptr;
  /// Assigns the batch.
  void (*draw)(Random& random, const DrawRequest& request, TaskBatch& batch) = nullptr;
  TaskDefaults defaults;
};

/// Every task in every set-up.
const std::vector<Task>& all_tasks();
/// The task in that set-up, or in its first one. Throws std::invalid_argument for an unknown name.
const Task& task_by_name(const std::string& name, const std::string& setup = "");
/// Every name, and every set-up's, once.
std::vector<std::string> task_names();
std::vector<std::string> setup_names();

}  // namespace seqbench
