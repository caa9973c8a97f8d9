// Long-range tasks: an answer that depends on tokens some way back, and nothing else to go by.
//
//   first_token   x₀ d d d … d ?  →  x₀                          first_token_task.cc
//   adding        (u, marked?) …  →  the sum of the two marked   adding_task.cc
//   copy          s₀ … s₉ _ _ … _ ! _ … _  →  s₀ … s₉            copy_task.cc
//   selective_copy  _ s₀ _ _ s₁ … ! ! ! !  →  s₀ … s₃          selective_copy_task.cc
//   parity        b₀ b₁ b₂ …  →  b₀, b₀⊕b₁, b₀⊕b₁⊕b₂, …          parity_task.cc
//   mqar          k₁ v₁ k₂ v₂ … _ k₂ _ _ k₁  →  v₂, v₁           mqar_task.cc
//   coreference   the N1 didn't V the N2 because it was too ADJ  →  N1 or N2   coreference_task.cc
//   hidden_verb   the N1 [hidden] on the N2  →  which verb       hidden_verb_task.cc
//   word_problem  g₁ g₂ g₃ …  →  g₁, g₁·g₂, g₁·g₂·g₃, …          word_problem_task.cc
//   first_symbol, copy_all, mqar_8k, associative_recall, induction: as others have posed them in
//   published settings (presets.h)                               published_tasks.cc, mqar_task.cc
//
// To add a task: a file that says what is drawn and asked, declared in task_definitions.h, and an
// entry with its settings in tasks.cc's table; its rates in model_settings.cc
// (docs/architecture.md).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "harness/tasks/task.h"

namespace seqbench {

/// Every task in every set-up.
const std::vector<Task>& all_tasks();
/// The task in that set-up, or in its first one. Throws std::invalid_argument for an unknown name.
const Task& task_by_name(std::string_view name, std::string_view setup = "");
/// Every name, and every set-up's, once.
std::vector<std::string> task_names();
std::vector<std::string> setup_names();

}  // namespace seqbench
