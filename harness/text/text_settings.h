// What a training on a text is: the model, the budget and all that was chosen for both.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/optimiser.h"
#include "harness/models/sequence_model_spec.h"
#include "harness/models/variants.h"
#include "harness/tasks/model_form.h"

namespace seqbench {

/// What ends a training, and over what its learning rate falls: the first that is not 0.
struct TextBudget {
  Index steps = 0;
  Index tokens = 0;
  double seconds = 0;  // of training, validation not counted
};

struct TextSettings {
  std::string preset = {};  // its name; empty: none
  std::string model = {};
  Variant variant = {};
  std::string match = "width";  // what models share: "width", or "parameters"
  ModelForm form = {};
  Index vocabulary = 1;
  Index length = 1;  // T, the context
  Index batch = 1;   // windows a step
  Index seed = 1;
  Factors factors = Factors::kAsTheyAre;  // of all products; parameters and optimiser are float
  TextBudget budget = {};
  double learning_rate = 1e-3;       // the peak
  double last_learning_rate = 1e-4;  // at the end of the budget
  Index warmup_steps = 100;
  AdamWOptions optimiser = {.beta2 = 0.99, .weight_decay = 0.1, .decayed = Decayed::kMatrices};
  double max_gradient_norm = 1;
  Index validations = 10;  // of the whole training, evenly over its budget
  bool stateful = false;   // windows of a stream follow each other, each from the state before it:
                           // of models that can_carry_state()

  /// Longest window that the model can read: positions that it learns end with those of training.
  Index longest() const { return variant.positions == Positions::kLearned ? length : 4 * length; }
};

/// A published setting that can be run as a whole: all of a TextSettings but model, variant and
/// seed.
struct TextPreset {
  std::string source;
  TextSettings settings;
  std::string attention_variant;  // of attention in it
  std::string sha256;             // of the text of its published figure
};

/// By its name.
const TextPreset& text_preset(const std::string& name);
std::vector<std::string> text_preset_names();

/// The variants of a model that a text can tell apart: those that leave it its evidence.
std::vector<std::string> text_variants(const std::string& model);

/// Whether the model in this variant goes on from the state of the segment before: recurrent ones
/// without a convolution, which would need its inputs too.
bool can_carry_state(const std::string& model, const Variant& variant);

/// The model that these settings describe.
SequenceModelSpec model_spec(const TextSettings& settings);

/// Trainable numbers of that model, which is not made.
Index parameter_count(const TextSettings& settings);

/// Memory of a training with so many threads: values, gradients, moments and workspaces.
double text_training_bytes(const TextSettings& settings, Index threads);

/// Widens each model to the width whose number of parameters comes closest to the largest of them.
/// Throws UsageError where one cannot come within 10 %.
void match_parameters(std::vector<TextSettings>& trainings);

/// "attention rotary seed 1", and behind it " bfloat16".
std::string label(const TextSettings& settings);

}  // namespace seqbench
