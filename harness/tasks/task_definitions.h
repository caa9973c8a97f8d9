// What each task draws and asks; its settings stand in the table of tasks.cc.
#pragma once

#include "harness/tasks/task.h"

namespace seqbench {

/// Of word_problem, by which elements are multiplied.
enum class WordGroup { kS3, kZ60, kA5 };

Task first_token_task();
Task adding_task();
Task copy_task();
Task selective_copy_task();
Task parity_task();
Task mqar_task();
Task coreference_task();
Task coreference_encoder_task();
Task hidden_verb_task();
Task word_problem_task(WordGroup group);
Task mqar_8k_task();
Task first_symbol_task();
Task copy_all_task();
Task associative_recall_task();
Task induction_task();

}  // namespace seqbench
