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
// To add a task from a program of your own: register_task() and docs/extending.md. To add one here:
// a file that says what is drawn and asked, declared in task_definitions.h, and an entry with its
// settings in tasks.cc's table; its rates in model_settings.cc (docs/architecture.md).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "harness/tasks/task.h"

namespace seqbench {

/// Every task in every set-up: those of this project, then those that were registered.
const std::vector<Task>& all_tasks();
/// The task in that set-up, or in its first one. Throws std::invalid_argument for an unknown name.
const Task& task_by_name(std::string_view name, std::string_view setup = "");
/// Every name, and every set-up's, once.
std::vector<std::string> task_names();
std::vector<std::string> setup_names();

/// Whether a name of a model or task can stand in a list on the command line and in a file: of a-z,
/// 0-9 and _.
bool is_plain_name(std::string_view name);

/// Adds a task to this program, behind those that it has. To be called at the start of main(),
/// behind the models' registration (models/registry.h), whose settings it holds, and before
/// anything asks for a task: throws std::logic_error later. Throws std::invalid_argument, which
/// says what is wrong: a name that is taken in this set-up or is not plain; no input or no answers;
/// a function that is missing; no distances, variants or models to be run with.
void register_task(Task task);

}  // namespace seqbench
