// Long-range tasks: an answer that depends on a token `distance` away, and nothing else to go by.
//
//   first_token   x₀ d d d … d ?  →  x₀      (the setting of github.com/hurjun/xLSTM, README)
//
// To add a task: a function that draws its batches, and an entry in tasks.cc's table.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/embedding.h"
#include "core/random.h"
#include "core/sequence_layer.h"

namespace seqbench {

/// Sequences and what is asked about them.
struct TaskBatch {
  SequenceShape shape;             // B, T
  std::vector<Token> tokens;       // [B, T]
  std::vector<Index> answer_rows;  // where answers are read: rows of the [B·T] tokens, ascending
  std::vector<Token> targets;      // the right answer at each of them
};

/// With the evidence removed, a target is independent of its sequence: whatever then scores above
/// chance is a leak.
enum class Evidence { kGiven, kRemoved };

/// How far apart things stand in the sequences of a task, and how many.
struct TaskSetting {
  Index distance = 1;  // on the task's own axis
  Index pairs = 0;     // key-value pairs, for tasks that have them
};

/// What to draw.
struct DrawRequest {
  Index sequences = 1;
  TaskSetting setting;
  Evidence evidence = Evidence::kGiven;
};

/// The setting a task is run in unless the command line says otherwise.
struct TaskDefaults {
  std::vector<Index> distances;
  std::vector<std::string> variants;
  Index seeds = 1;
  Index steps = 1;
  Index batch = 1;
  Index width = 1;
  std::map<std::string, Index> layers;          // by model
  std::map<std::string, double> learning_rate;  // by model; the peak
  Index heads = 1;                              // of attention
  Index mlp_expansion = 0;                      // hidden width of attention's MLP ÷ width
  Index warmup_steps = 0;
  double weight_decay = 0;
  double max_gradient_norm = 1;
  Index test_sequences = 1;
  double solved_accuracy = 1;  // from here on a test, or a stretch of training, counts as solved
};

struct Task {
  std::string name;
  std::string setup;             // which of a task's set-ups (one so far for each)
  std::string distance_meaning;  // of --distance
  Index min_distance = 1;
  Index vocabulary = 1;  // tokens lie in [0, vocabulary)
  Index answers = 1;     // targets lie in [0, answers)
  Index (*sequence_length)(const TaskSetting& setting) = nullptr;
  /// The accuracy of the best guess without evidence, and its loss.
  double (*chance)(const TaskSetting& setting) = nullptr;
  double (*baseline_loss)(const TaskSetting& setting) = nullptr;
  /// Assigns the batch.
  void (*draw)(Random& random, const DrawRequest& request, TaskBatch& batch) = nullptr;
  TaskDefaults defaults;
};

const std::vector<Task>& all_tasks();
/// Throws std::invalid_argument for an unknown name.
const Task& task_by_name(const std::string& name);
std::vector<std::string> task_names();

}  // namespace seqbench
