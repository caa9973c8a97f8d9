// What a long-range task is: how its sequences are drawn, what is asked about them, and the setting
// that it is run in unless the command line says otherwise.
#pragma once

#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/optimiser.h"
#include "core/random.h"
#include "harness/tasks/model_form.h"
#include "harness/tasks/task_batch.h"

namespace seqbench {

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

/// What a task can tell of a mechanism: what the controls of docs/tasks.md leave to it.
enum class EvidenceFor {
  kMemory,   // of a single thing over a distance, which a recurrent start decides
  kPairing,  // a choice among many things by what they stand beside, at any distance
  kState,    // that every step changes
  kWeights,  // where attention looks in a sentence; what answers it is in reach of every control
};
/// In words, in that order.
inline constexpr const char* kEvidenceNames[] = {"what recurrent starts remember",
                                                 "attention's pairing at any distance", "state",
                                                 "what attention's weights show"};

/// Which answers accuracy counts; the loss is the mean over all.
enum class Judged { kEveryAnswer, kLastAnswer, kLastTen };

enum class OptimiserKind { kAdamW, kRmsProp };

/// The form and training of one model on one task.
struct ModelSettings {
  ModelForm form = {};
  double learning_rate = 1e-3;              // the peak
  std::optional<double> weight_decay = {};  // nothing: the task's
};

/// The setting a task is run in unless the command line says otherwise.
struct TaskDefaults {
  std::vector<Index> distances = {};
  std::vector<std::string> variants = {};
  Index seeds = 1;
  Index training_steps = 1;
  Index batch = 1;
  Index plain_batch = 0;  // of models without a convolution before their layers; 0: the same
  Index width = 1;
  std::map<std::string, ModelSettings> models = {};
  Index warmup_steps = 0;
  Decay decay = Decay::kCosine;
  double decay_floor = 0;  // where it ends, as a share of the peak
  OptimiserKind optimiser = OptimiserKind::kAdamW;
  double weight_decay = 0;
  double max_gradient_norm = 1;
  Index training_sequences = 0;  // of an epoch, shown again in every one; 0: always fresh ones
  bool shuffles = false;         // in a new order every epoch; else in the same batches
  bool decays_by_epoch = false;  // the learning rate falls between epochs alone; no warm-up
  Index test_sequences = 1;
  std::vector<Index> test_distances = {};  // besides that of training
  double solved_accuracy = 1;  // from here on a test, or a stretch of training, counts as solved
  bool stops_when_solved = false;  // training ends soon after (training/stopping_rule.h says when)
  bool tests_epochs = false;       // it is tested behind each epoch, and the first test that counts
                                   // as solved ends it: with dropout training batches tell less
  Index gradient_reach = 512;      // how far back gradients are measured
  std::vector<Index> attended_mixture = {};  // distances that attend's trainings mix with the
                                             // sentence's own; empty: none
  double attended_dropout = 0;               // as ModelForm::dropout, in attend's trainings
};

struct Task {
  std::string name;
  std::string setup;  // "causal", or "encoder": sequences are read in both directions
  EvidenceFor evidence_for = EvidenceFor::kMemory;
  std::string distance_meaning;  // of --distance
  Index vocabulary = 0;          // tokens lie in [0, vocabulary)
  Index channels = 0;            // numbers at each step, where the input is no tokens
  Index answers = 1;             // targets lie in [0, answers)
  Index right_answers = 0;       // how many of these are ever right; 0: all
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
  /// The accuracy of guessing among the candidates that the sequence holds, and the loss of it:
  /// what is known without the evidence.
  double (*chance)(const TaskSetting& setting) = nullptr;
  double (*baseline_loss)(const TaskSetting& setting) = nullptr;
  /// Assigns the batch.
  void (*draw)(Random& random, const DrawRequest& request, TaskBatch& batch) = nullptr;
  TaskDefaults defaults;

  /// The accuracy of guessing among all answers that are ever right, of a model that knows no
  /// sequence. Nothing for a regression.
  std::optional<double> chance_uninformed() const {
    if (loss != LossKind::kCrossEntropy) return std::nullopt;
    return 1.0 / double(right_answers > 0 ? right_answers : answers);
  }
  /// The loss of the same: the logarithm of their number; of a regression that of its best
  /// constant.
  double uninformed_loss(const TaskSetting& setting) const {
    const auto uninformed = chance_uninformed();
    return uninformed ? -std::log(*uninformed) : baseline_loss(setting);
  }
};

}  // namespace seqbench
